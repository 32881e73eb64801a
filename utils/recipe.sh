#!/usr/bin/env bash
# The stages of every recipe.  egs/<corpus>/run.sh calls this in its own folder with the names of its sets.
set -euo pipefail
readonly utils=${BASH_SOURCE[0]%/*}

. "${utils}/options.sh"
. "${utils}/stage.sh"

# ---- what follows from the options

variant=${subset:+_${subset}}
if [ -n "${subset}" ]; then
    train_set+=${variant} valid_set+=${variant} speech_only_set=${speech_only_set:+${speech_only_set}${variant}}
    test_sets=$(for name in ${test_sets}; do printf '%s%s ' "${name}" "${variant}"; done)
    test_sets=${test_sets% }
fi
source_set=${train_set}
[ -z "${speed_perturb_factors}" ] || train_set+=_sp
lang=${lang:-${default_lang}}
beside=""
[ "${lang}" = "${default_lang}" ] || beside=_${lang}
data=${datadir:-data${beside}}
dump=${dumpdir:-dump${beside}${variant}}
root=${expdir:-exp${beside}${variant}}
exp=${root}${tag:+_${tag}}
ali=${root}/align
labelled="${train_set} ${valid_set} ${test_sets}"
all_sets="${labelled}${speech_only_set:+ ${speech_only_set}}"
tokens=${dump}/token_list/phn/tokens.txt
lists=${listdir:-lists${beside:+/${lang}}}

read_method "${method}"
pre=${exp}/${run_of[pretrain]}
named="" encoded=codes recognised=supervised_ctc
if [ "${method}" != vqctap ]; then
    named=${method}_
    for name in pretrain:"${method}" asr_finetuned:"${method}_asr" tts:"${method}_tts" vc:"${method}_vc"; do
        option=${name%%:*}_config
        printf -v "${option}" '%s' "${!option:-$(config_of "${name#*:}")}"
    done
fi
can codes || encoded=speech
! can read || recognised=${named}frozen_ctc

[ -n "${ngpu}" ] || ngpu=$(visible_gpus)
nj=${nj:-$(getconf _NPROCESSORS_ONLN)}
launch=("${utils}/launch.sh" @launch --)
launch_options=""
for option in ngpu nproc num_nodes cmd_backend rdzv_endpoint join_timeout patience batch_bins; do
    launch_options+="${!option:+ --${option} ${!option}}"
done
export CTAP_CMD_BACKEND=${cmd_backend} # for the commands that train nothing

pretrained=("${pre}/checkpoints/best.pt")
mapfile -t aligned < <(each "${data}" "${train_set} ${valid_set}" phones.ctm)
mapfile -t features < <(each "${dump}" "${train_set} ${valid_set}" feats.scp f0.scp wav.scp)

# ---- the stages

if [ -e local/download.sh ]; then
    stage -1 download "${dump}" - "Fetches the corpus"
    needs_if_any db.sh local/download.* local/unpack.* local/corpus*.yaml
    [ -z "${corpus_dir}" ] || makes "${corpus_dir}"
    does local/download.sh ${corpus_dir:+--corpus_dir "${corpus_dir}"}
fi

stage 1 data "${dump}" - "Makes data directories from the corpus"
mapfile -t paths < <(find local lists "${lists}" -maxdepth 1 -type f ! -name '.*' ! -name vc_pairs.tsv ! -name references.tsv \
    ! -name tts.tsv ! -name '*.md' 2>/dev/null | LC_ALL=C sort -u)
needs local/data.sh "${paths[@]}"
[ -z "${corpus_dir}" ] || there "${corpus_dir}"
mapfile -t paths < <(each "${data}" "${all_sets}" wav.scp utt2spk; each "${data}" "${labelled}" text)
makes "${paths[@]}"
# Lists that lie in the folder of the data are drawn from the corpus by local/data.sh.
[[ "${lists}" != "${data}"/* ]] || makes "${lists}/vc_pairs.tsv" "${lists}/references.tsv" "${lists}/tts.tsv"
does local/data.sh --data "${data}" ${lang:+--lang "${lang}"} ${corpus_dir:+--corpus_dir "${corpus_dir}"} \
    ${subset:+--subset "${subset}"} --nj @nj
[ -z "${local_data_opts}" ] || appends local_data_opts
[ -z "${speed_perturb_factors}" ] || \
    does ctap data perturb --factors "${speed_perturb_factors}" --nj @nj "${data}/${source_set}" "${data}/${train_set}"
mapfile -t paths < <(for name in ${all_sets}; do echo "${data}/${name}"; done)
does ctap data validate "${paths[@]}"

stage 2 text "${dump}" - "Normalises text, finds phones, makes token lists"
mapfile -t paths < <(each "${data}" "${labelled}" text)
needs "${paths[@]}"
mapfile -t paths < <(each "${data}" "${labelled}" text.phn)
makes "${paths[@]}" "${tokens}"
calls text ctap text prepare --data "${data}" --dump "${dump}" --sets "${labelled}" --train_set "${train_set}" --lists "${lists}" --nj @nj

stage 3 features "${dump}" - "Resamples, makes log-mel, F0 and statistics"
mapfile -t paths < <(each "${data}" "${all_sets}" wav.scp)
needs "${paths[@]}"
mapfile -t paths < <(each "${dump}" "${all_sets}" feats.scp f0.scp wav.scp)
makes "${paths[@]}" "${dump}/stats.npz"
calls features ctap features --data "${data}" --dump "${dump}" --sets "${all_sets}" --train_set "${train_set}" --nj @nj

stage 4 align "${root}" train "Trains the aligner and aligns every labelled set"
mapfile -t paths < <(each "${data}" "${labelled}" text.phn; each "${dump}" "${labelled}" feats.scp)
needs "${tokens}" "${paths[@]}"
mapfile -t paths < <(each "${data}" "${labelled}" phones.ctm ali_report.tsv)
makes "${paths[@]}"
if [ -n "${alignment_dir}" ]; then
    mapfile -t paths < <(find "${alignment_dir}" -type f 2>/dev/null | LC_ALL=C sort)
    needs "${paths[@]}"
    does ctap align import --from "${alignment_dir}" --data "${data}" --dump "${dump}" --sets "${labelled}"
else
    trains align align "${ali}"
    does ctap align run --exp "${ali}" --data "${data}" --dump "${dump}" --sets "${labelled}" --nj @nj
fi

stage 5 pretrain "${exp}" train "Pre-trains ${method_title}"
needs "${aligned[@]}" "${features[@]}" "${tokens}" "${dump}/stats.npz"
[ -z "${speech_only_set}" ] || needs "${dump}/${speech_only_set}/feats.scp"
trains pretrain "${task_of[pretrain]}" "${pre}" ${speech_only_set:+--speech_only_set "${speech_only_set}"}

stage 6 codes "${exp}" - "Dumps codes or other content, and voices"
if has content; then
    needs "${pretrained[@]}"
    mapfile -t paths < <(each "${pre}/codes" "${labelled}" "${encoded}.scp")
    makes "${paths[@]}"
    run_dir "${pre}/codes"
    does ctap codes dump --exp "${pre}" --data "${data}" --dump "${dump}" --sets "${labelled}" --method "${method}" --nj @nj
fi

stage 7 asr "${exp}" train "Trains the fine-tuned recogniser and the supervised one"
if has asr; then
    needs "${pretrained[@]}"
    trains asr_finetuned "${task_of[asr]}" "${exp}/${run_of[asr]}" --init "pretrained=${pre}"
fi
trains asr_supervised asr "${exp}/asr_supervised"

stage 8 tts "${exp}" train "Trains duration model and connector"
if has tts; then
    needs "${pretrained[@]}"
    trains tts "${task_of[tts]}" "${exp}/${run_of[tts]}" --init "pretrained=${pre}"
fi

stage 9 vc "${exp}" train "Trains the fine-tuned converter"
if has vc; then
    needs "${pretrained[@]}"
    trains vc "${task_of[vc]}" "${exp}/${run_of[vc]}" --init "pretrained=${pre}"
fi

stage 10 vocoder "${exp}" train "Trains the vocoder"
needs "${features[@]}" "${dump}/stats.npz"
trains vocoder vocoder "${exp}/vocoder"

stage 11 decode "${exp}" eval "Recognises, synthesises, converts, resynthesises from the lists"
runs="asr_supervised vocoder"
for name in asr tts vc; do ! can "${name}" || runs+=" ${run_of[${name}]}"; done
mapfile -t paths < <(each "${exp}" "${runs}" checkpoints/best.pt)
needs "${pretrained[@]}" "${paths[@]}" "${lists}/vc_pairs.tsv" "${lists}/references.tsv" "${lists}/tts.tsv"
mapfile -t paths < <(each "${exp}/decode/asr/${recognised}" "${test_sets}" hyp.phn)
makes "${paths[@]}"
run_dir "${exp}/decode"
decode=(ctap decode --exp_root "${exp}" --data "${data}" --dump "${dump}" --sets "${test_sets}" --lists "${lists}"
    --method "${method}" --train_set "${train_set}" --nj @nj)
calls decode "${decode[@]}"

stage 12 score "${exp}" eval "Trains the judge, then computes every metric"
needs "${paths[@]}" "${features[@]}" "${tokens}"
mapfile -t paths < <(! can content || each "${pre}/codes" "${test_sets}" "${encoded}.scp"; \
    find "${ali}" -path '*/gmm_mono/*' -name phones.ctm 2>/dev/null | LC_ALL=C sort)
needs "${paths[@]}"
run_dir "${exp}/decode/judge"
trains judge asr "${exp}/judge"
makes "${exp}/results.json"
calls decode "${decode[@]}" --what judge
mapfile -t words < <(args_of score)
does ctap score --exp_root "${exp}" --align "${ali}" --data "${data}" --dump "${dump}" --sets "${test_sets}" --lists "${lists}" \
    --method "${method}" --train_set "${train_set}" --out "${exp}/results.json" --nj @nj "${words[@]}"

stage 13 report "${exp}" - "Writes RESULTS.md and the page with audio and plots"
needs "${exp}/results.json"
makes "${exp}/report/index.html"
results_md=RESULTS${beside}.md kept=(--kept "results${beside}")
[ "${exp}" = "exp${beside}${variant}" ] || results_md=${exp}/RESULTS.md kept=()
does ctap report --exp_root "${exp}" --align "${ali}" --data "${data}" --dump "${dump}" --sets "${test_sets}" --lists "${lists}" \
    --method "${method}" --results "${exp}/results.json" "${kept[@]}" --out "${exp}/report" --results_md "${results_md}"

stage 14 pack "${exp}" - "Packs a self-contained model with its card"
needs "${pretrained[@]}" "${exp}/results.json"
makes "${exp}/pack"
does ctap pack --exp_root "${exp}" --dump "${dump}" --method "${method}" --out "${exp}/pack"

# ---- run them

# shellcheck source=/dev/null
. ./path.sh
skip=""
[ "${skip_train}" = false ] || skip+=" train"
[ "${skip_eval}" = false ] || skip+=" eval"
run_plan --stage "${stage}" --stop_stage "${stop_stage}" --exp "${exp}" --dry_run "${dry_run}" --force "${force}" \
    --resume "${resume}" --skip "${skip}" --command "${RECIPE_COMMAND:-./run.sh}" \
    --value nj="${nj}" --value launch="${launch_options# }"
