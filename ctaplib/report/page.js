for (const audio of document.querySelectorAll('audio')) {
  const view = audio.closest('.clip').querySelector('.view'), mark = view.querySelector('i');
  audio.addEventListener('play', () => {
    for (const other of document.querySelectorAll('audio')) if (other !== audio) other.pause();
    const move = () => {
      mark.style.opacity = 1;
      mark.style.left = 100 * audio.currentTime / (audio.duration || 1) + '%';
      if (!audio.paused) requestAnimationFrame(move);
    };
    move();
  });
  view.addEventListener('click', event => {
    const box = view.getBoundingClientRect();
    if (audio.duration) audio.currentTime = audio.duration * (event.clientX - box.left) / box.width;
    audio.play().catch(() => {});
  });
}
