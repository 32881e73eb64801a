"""The corpus that eSpeak NG speaks at run time."""
