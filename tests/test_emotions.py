import unicodedata

import numpy as np
import pytest

from mien.emotions import (
    BALLOT,
    BALLOT_INDEX,
    EMOTIONS,
    LANGUAGES,
    Emotion,
    names,
    parse,
    votes_from_ballot,
)


def test_order_is_fer2013s_folders():
    assert [e.value for e in EMOTIONS] == sorted(e.value for e in EMOTIONS)
    assert Emotion.SAD.position == 5


def test_ballot_index_names_the_same_feeling():
    spoken = [BALLOT[i] for i in BALLOT_INDEX]
    assert spoken == ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("Anger", "angry"),
        ("HAPPINESS", "happy"),
        ("분노", "angry"),
        (" sur_prise ", "surprise"),
        (unicodedata.normalize("NFD", "혐오"), "disgust"),
        ("sad", "sad"),
    ],
)
def test_parse_understands_synonyms(text, emotion):
    assert parse(text) == emotion


def test_every_display_name_is_understood():
    for words in LANGUAGES.values():
        assert [parse(word) for word in words] == list(EMOTIONS)


def test_parse_does_not_guess():
    assert parse("contempt") is None


def test_every_synonym_means_one_emotion():
    from mien.emotions import synonyms

    for emotion, spellings in synonyms().items():
        for word in spellings:
            assert parse(word) == emotion, word


def test_languages_name_all_seven():
    assert {len(words) for words in LANGUAGES.values()} == {7}
    assert names("ko")[Emotion.HAPPY.position] == "기쁨"
    with pytest.raises(ValueError, match=f"choose from {', '.join(LANGUAGES)}"):
        names("xx")


def test_votes_are_reordered_and_renormalised():
    counts = np.zeros((3, 10))
    counts[0, [BALLOT.index("sadness"), BALLOT.index("neutral"), BALLOT.index("unknown")]] = 6, 2, 2
    counts[1, BALLOT.index("NF")] = 10
    counts[2, BALLOT.index("contempt")], counts[2, BALLOT.index("anger")] = 5, 5
    votes, unclear = votes_from_ballot(counts)
    assert votes[0, Emotion.SAD.position] == pytest.approx(0.75)
    assert np.allclose(votes[1], 1 / 7)
    assert votes[2, Emotion.ANGRY.position] == 1
    assert np.allclose(unclear, [0.2, 1, 0])
    assert np.allclose(votes.sum(axis=1), 1)
