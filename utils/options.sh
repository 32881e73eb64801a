#!/usr/bin/env bash
# Options of every recipe: help, defaults, checks.  Sourced by recipe.sh with the arguments of run.sh.
# shellcheck disable=SC2034  # recipe.sh uses them

help_message="usage: ./run.sh [options]        (every option takes a value)

Stages (--stage N, --stop_stage M):
 -1 download   1 data     2 text   3 features  4 align    5 pretrain  6 codes  7 asr
  8 tts        9 vc      10 vocoder  11 decode  12 score  13 report   14 pack

What to run
  --stage N --stop_stage M   first and last stage (1 to 14)
  --skip_train true          skip the training stages (4, 5, 7 to 10)
  --skip_eval true           skip decoding and scoring (11, 12)
  --dry_run true             print what would run and why, change nothing
  --force true               run the given stages from their beginning, even if they are up to date
  --resume false             restart an interrupted training instead of resuming it
  --config FILE              a file of options, one name=value per line; read before the other options
Folders
  --datadir data --dumpdir dump --expdir exp    folders (another --lang or --subset has its own: data_zh, dump_zh, exp_zh)
  --listdir DIR              lists of the utterances to convert and synthesise (lists, or lists/LANG)
  --tag NAME                 a variant: everything from pre-training on goes to exp_NAME
  --corpus_dir DIR           folder of the corpus (instead of db.sh)
  --subset NAME              a part of the corpus; its sets carry the name
  --lang NAME                language of the recipe
  --alignment_dir DIR        CTM or TextGrid files to use instead of training the aligner
Data
  --train_set --valid_set --speech_only_set --test_sets \"a b\"
  --local_data_opts \"...\"    options for local/data.sh; quote a value with spaces: \"--speech_only '/data/my talks'\"
  --speed_perturb_factors \"0.9 1.0 1.1\"     train on copies at these speeds: the set train_sp
Methods and configs
  --method vqctap            pre-training method, a module of ctaplib/methods
  --method_path DIR          folder with methods outside the repository, laid out as ctaplib
  --<task>_config FILE       text features align pretrain asr_finetuned asr_supervised tts vc vocoder decode judge
  --<task>_args \"a.b=c ...\"  values that override the config; also --score_args \"--option value ...\"
Machine (ctap launch --help has more)
  --ngpu N                   GPUs of each machine (all visible ones); 0: --nproc N processes on the CPU
  --num_nodes N --cmd_backend local|slurm       number of machines, and how programs are started there
  --rdzv_endpoint HOST:PORT --join_timeout 50    address where machines meet without Slurm (docs/clusters.md); seconds to wait
  --patience 30              end all training processes if one gives no heartbeat for so many seconds
  --batch_bins N|auto        maximum feature frames in a micro-batch (0: no limit; auto: what fits in memory)
  --nj N                     processes, or Slurm tasks at once, of the stages that do not train"

stage=1 stop_stage=14
skip_train=false skip_eval=false
dry_run=false force=false resume=true
ngpu="" nproc="" num_nodes="" rdzv_endpoint="" join_timeout="" patience="" batch_bins="" # defaults: ctap launch
nj=""
cmd_backend=${CTAP_CMD_BACKEND:-local}
datadir="" dumpdir="" expdir="" listdir="" corpus_dir="" alignment_dir=""
tag="" subset=""
lang="" default_lang="" _unlisted=default_lang # a recipe's run.sh sets it
train_set=train valid_set=dev speech_only_set="" test_sets="test"
local_data_opts="" speed_perturb_factors=""
method=vqctap method_path=""
for name in text features align pretrain asr_finetuned asr_supervised tts vc vocoder decode judge score; do
    printf -v "${name}_config" '%s' ""
    printf -v "${name}_args" '%s' ""
done
unset name score_config # no stage reads one
. "${BASH_SOURCE[0]%/*}/parse_options.sh"

_fail_recipe() {
    printf 'recipe: %s\n' "$1" >&2
    exit "${2:-1}"
}

[ $# -eq 0 ] || _fail_recipe "there are no positional arguments: $*" 2

# Options that become parts of file names.
for _name in tag subset lang method train_set valid_set speech_only_set; do
    [[ -z "${!_name}" || "${!_name}" =~ ^[[:alnum:]_][[:alnum:]_.-]*$ ]] ||
        _fail_recipe "--${_name} '${!_name}': expected a name of letters, digits and _ . -"
done

if [ -n "${method_path}" ]; then
    [ -d "${method_path}" ] || _fail_recipe "--method_path ${method_path}: there is no such folder"
    CTAP_METHOD_PATH=$(cd "${method_path}" && pwd)
    export CTAP_METHOD_PATH
fi
