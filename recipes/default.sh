#!/bin/sh
# The road to the models that ship, from public weights, in one command.
#   recipes/default.sh FER2013 OUT [CHECKOUT]
# FER2013 holds train/<emotion>/, test/<emotion>/ and votes.csv (FER+). Run it again after any stop: what the same command
# made of the same files is skipped, a training that was stopped resumes at its last epoch. With CHECKOUT, a clone of mien,
# its models and every figure in its docs are replaced too. Minutes, machine and scores: docs/experiments.md.
set -eu
data=$1 out=$2 checkout=${3-} total=0
export MIEN_RUNS="$out/members/runs"
pictures=$(find "$data" -type f | LC_ALL=C sort | tr '\n' '\0' | xargs -0 cat | sha256sum) version=$(mien --version)

# step FOLDER COMMAND...: COMMAND fills $out/FOLDER, unless the same one has done so from the same runs and models.
step() {
    name=$1 made="$out/$1/.made" start=$(date +%s)
    shift
    inputs=$(for word in "$version" "$pictures" "$@"; do
        echo "$word"
        case "$out/$name" in "$word" | "$MIEN_RUNS/$word") continue ;; esac
        cat "$MIEN_RUNS/$word/weights.safetensors" "${word#*=}/model.onnx" "${word#*=}/card.json" 2>/dev/null || true
    done | sha256sum)
    if [ "$inputs" = "$(head -n 1 "$made" 2>/dev/null)" ]; then
        seconds=$(tail -n 1 "$made")
    else
        "$@"
        seconds=$(($(date +%s) - start))
        printf '%s\n%s\n' "$inputs" "$seconds" > "$made"
    fi
    total=$((total + seconds))
    echo "$name: $((seconds / 60)) min $((seconds % 60)) s; so far $((total / 60)) min"
}

# 1. Members without a teacher, each from public weights. A tenth of Training, by groups of identical pictures, is held out.
step members mien pipeline "$data" "$out/members" --raw --as-written --teacher none \
    --families face_mobilenet,face_resnet,efficientnet_lite0
# 2. The student begins with the pruned face MobileNet; two members teach it, by the weights that the held-out tenth chose.
step pair mien export face_mobilenet face_resnet --weight 0.4 --weight 0.6 --flip --weights fp16 --data "$data" \
    --out "$out/pair" --name pair
step members/runs/student mien train student "$data" targets.teacher="$out/pair"
# 3. The three that ship. ResNet and Lite0 share 0.6 as the held-out tenth chose, on which the student was trained. Behind
# efficientnet_lite0 are ImageNet and FER-2013 alone, and no teacher: the clean origin.
step plain/default mien export student --weights int8 --carry --data "$data" --out "$out/plain/default"
step plain/ensemble mien export student face_resnet efficientnet_lite0 --weight 0.4 --weight 0.38 --weight 0.22 \
    --flip --weights fp16 --data "$data" --out "$out/plain/ensemble"
step plain/efficientnet_lite0 mien export efficientnet_lite0 --flip --weights fp16 --carry --data "$data" \
    --out "$out/plain/efficientnet_lite0"
# 4. PublicTest's annotators are other people than Training's: calibrated to them, in five folds for the figures.
for model in default ensemble efficientnet_lite0; do
    step "evaluated/$model" mien evaluate "$out/plain/$model" "$data" --out "$out/evaluated/$model"
    step "$model" mien calibrate "$out/plain/$model" "$data" --split test --name "$model" --force --out "$out/$model"
done
[ -n "$checkout" ] || exit 0
cp "$out/plain/default/weights.safetensors" "$checkout/models/default/"
cp "$out/plain/efficientnet_lite0/weights.safetensors" "$checkout/models/efficientnet_lite0/"
for folder in src/mien/assets/default models/ensemble models/efficientnet_lite0; do
    cp "$out/$(basename $folder)/model.onnx" "$out/$(basename $folder)/card.json" "$checkout/$folder/"
    python "$checkout/tools/fill_card.py" "$checkout/$folder" "$out/evaluated/$(basename $folder)/metrics.json"
done
python "$checkout/tools/figures.py"
