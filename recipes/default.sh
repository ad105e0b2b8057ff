#!/bin/sh
# The road to the embedded model and to the model of clean origin: from public weights, in one command.
#   recipes/default.sh FER2013 OUT
# FER2013 holds train/<emotion>/, test/<emotion>/ and votes.csv (FER+). Run it again after any stop: trainings that
# are done are skipped, one that was stopped resumes at its last epoch; student and calibrations are exported again, a
# minute each. It prints the time of its steps. Minutes, machine and scores: docs/experiments.md.
set -eu
data=$1 out=$2
export MIEN_RUNS="$out/runs"
began=$(date +%s)
told() { echo "$1 done, $((($(date +%s) - began) / 60)) minutes after the start of this command"; }

# 1. Three members without a teacher, each from public weights, and their ensemble. A tenth of Training, by groups of
# identical pictures, chooses its weights. The last epochs are kept.
mien pipeline "$data" "$out" --raw --as-written --teacher none \
    --families face_mobilenet,face_resnet,efficientnet_lite0
told members

# 2. The student: it begins with the pruned face MobileNet, and two members teach it, by the weights that the held-out tenth
# chose. It learns from all of Training, of which they have not seen that tenth.
mien export face_mobilenet face_resnet --weight 0.4 --weight 0.6 --flip --weights fp16 --data "$data" \
    --out "$out/pair" --name pair
mien train student "$data" targets.teacher="$out/pair"
mien export student --out "$out/student" --data "$data" --weights int8 --carry --name default
told student

# 3. PublicTest's annotators are other people than Training's: calibrated to them, in five folds for the figures.
# runs/efficientnet_lite0 is the bundle of clean origin: behind it are ImageNet and FER-2013 alone, and no teacher.
for model in student ensemble runs/efficientnet_lite0/bundle; do
    mien calibrate "$out/$model" "$data" --split test --out "$out/calibrated/$(basename "${model%/bundle}")"
done
told "all models"
