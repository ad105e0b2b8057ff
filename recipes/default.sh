#!/bin/sh
# The road to the next embedded model and ensemble: from public weights, in one command. Not walked to its end yet:
# what ships today came by recipes/lineage.
#   recipes/default.sh FER2013 OUT
# FER2013 holds train/<emotion>/, test/<emotion>/ and votes.csv (FER+). Run it again after any stop: what is done is
# skipped, and a training resumes at its last epoch. It prints how long each step took. Minutes, machine and scores:
# docs/experiments.md.
set -eu
data=$1 out=$2

# Three members without a teacher, their ensemble, and the student that is distilled from it. A tenth of Training, by
# groups of identical pictures, chooses the ensemble's weights and calibrates. The members' last epochs are kept.
mien pipeline "$data" "$out" --raw --as-written --teacher none \
    --families face_mobilenet,face_resnet,efficientnet_lite0 --student student

# runs/efficientnet_lite0 is the bundle of clean origin: behind it are ImageNet and FER-2013 alone, and no teacher.
# PublicTest's annotators are other people than Training's: fitted to them, in five folds for the figures.
for model in student ensemble runs/efficientnet_lite0/bundle; do
    mien calibrate "$out/$model" "$data" --split test --out "$out/calibrated/$(basename "${model%/bundle}")"
done
