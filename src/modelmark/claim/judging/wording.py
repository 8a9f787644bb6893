"""What a verdict says in plain words: one sentence for each decision, check, draw and scheme, in literal tables.

A sentence stands where the verdict says that much and no more: what holds is stated, what was not checked is asked.
"""

from modelmark.claim.papers.verdict import SENTENCES

Words = tuple[str, str, str]
"""Of a check: the question it answers, what holds where it passes, what is wrong where it fails."""

TITLES = {
    "dependence-shown": "Dependence shown",
    "no-evidence": "No evidence of dependence",
    "invalid-claim": "The claim does not hold",
    "not-decidable": "Not decided",
}

MEANINGS = {
    "dependence-shown": SENTENCES["dependence-shown"],
    "no-evidence": SENTENCES["no-evidence"],
    "invalid-claim": SENTENCES["invalid-claim"],
    "not-decidable": "The judge could not decide; says nothing about the suspect, neither for the claim nor against it.",
}
"""The verdict's own words, but for ``not-decidable``: its sentence speaks of papers that may not have been looked at."""

CHECKS: dict[str, Words] = {
    "signatures": (
        "Did everyone whom the papers name sign them?",
        "Everyone whom the papers name signed them, and no paper was changed since.",
        "A paper is not as it was signed.",
    ),
    "papers": (
        "Do the papers belong together?",
        "The challenge is about this claim, and its bar is no lower than the claim's own.",
        "The papers do not belong together.",
    ),
    "deposit": (
        "Who beside the claimant saw the claim before its message was drawn?",
        "The timestamp authorities that the claim names, and the judge trusts, dated the claim.",
        "The papers that should date the claim do not hold.",
    ),
    "nonce": (
        "Was it left to chance which part of the lot is asked for?",
        "The judge could not pick a part of the lot: all of it is asked for, or a value that others gave decides.",
        "The value that decides which part of the lot is asked for is not what its source gave.",
    ),
    "revocation": (
        "Has the claimant taken the claim back?",
        "The judge knows of no paper by which the claimant takes back what is judged here.",
        "The claimant has taken back the claim, or the portion of it that was asked for.",
    ),
    "lot": (
        "Was this portion of the evidence used before?",
        "The judge knows of no paper that uses up this portion of the evidence, or the suspects that the claim pays for.",
        "This portion of the evidence was used before, or more suspects were tried than the claim pays for.",
    ),
    "opening in time": (
        "Did the claimant answer the challenge?",
        "The claimant answered the challenge.",
        "The judge got no answer to the challenge.",
    ),
    "expiry": (
        "Did the answer come in time?",
        "The answer came in time, by the judge's clock.",
        "The answer did not come in time, by the judge's clock.",
    ),
    "opening": (
        "Is what the claimant showed what the claim had fixed?",
        "What the claimant showed is what the claim had fixed, and exactly what the judge asked for.",
        "What the claimant showed is not what the claim had fixed, or not what the judge asked for.",
    ),
    "carriers": (
        "Do the data that came along have the fingerprints that were shown?",
        "The data that came along have the fingerprints that were shown.",
        "The data that came along do not have the fingerprints that were shown.",
    ),
    "scheme": (
        "Can a judge test this watermark from what was shown?",
        "A judge can test this kind of watermark from what was shown.",
        "A judge cannot test this watermark from what was shown.",
    ),
    "form": (
        "Do the data have the form of this kind of watermark?",
        "The data have the form of this kind of watermark.",
        "The data do not have the form of this kind of watermark.",
    ),
    "suspect": (
        "Is what was examined what had been set aside?",
        "What was examined is what was set aside when the challenge was made.",
        "What was to be examined is not what was set aside when the challenge was made.",
    ),
    "suspect's date": (
        "When is the suspect first known to have existed?",
        "The judge knows a date at which the suspect existed.",
        "The date that was given for the suspect does not hold.",
    ),
    "order in time": (
        "Is the claim older than the suspect?",
        "The claim is proven to be older than the earliest trace of the suspect that the judge knows.",
        "The claim is not proven to be older than the earliest trace of the suspect that the judge knows.",
    ),
    "class map": (
        "Do the suspect's outputs stand for the classes that the claim names?",
        "The suspect's outputs stand for the classes that the claim names.",
        "The suspect's outputs do not stand for the classes that the claim names.",
    ),
    "answers": (
        "What does the suspect answer?",
        "The suspect was put to the test in the way that the claim had fixed; what it did not give helps the claim nowhere.",
        "The suspect could not be put to the test in the way that the claim had fixed.",
    ),
    "test": (
        "How well does the suspect agree with the drawn message?",
        "The suspect was compared with the drawn message; how strong the result is stands above.",
        "The suspect could not be compared with the drawn message.",
    ),
}
"""By the name of a check. One that has no row here is shown with its own detail alone."""

DATED = {
    "offline": "No timestamp authority stands for a date of this claim.",
    "timestamp": "{authorities}, dated the claim; its message follows from what was signed there.",
    "beacon": "{authorities}, dated the claim before the beacon's value, from which its message follows, was published.",
}
"""What the check of the deposit found, by the kind of draw; nothing was checked of an offline claim."""

DRAWS = {
    "offline": (
        "The message follows by a fixed rule from the claimant's own data. The claimant could have made them anew in secret "
        "until the message suited; evidence of such a claim is charged for that."
    ),
    "timestamp": (
        "The message follows by a fixed rule from the timestamp that the claim got, which the claimant alone could not choose."
    ),
    "beacon": "The message follows by a fixed rule from a public random value that came out after the claim was dated.",
}
"""Where the message comes from, by the kind of draw, once the deposit was checked."""

WATERMARK = (
    "A watermark is a secret list of test points, each with one right symbol: pictures with a class each, or places in the "
    "weights with a bit each. The test points are fixed first; the right symbols, together the message, are drawn "
    "afterwards. A model can be trained to give them. A model that has nothing to do with the message gives the right "
    "symbol at each point by luck alone, whatever it is and whoever made it.",
)

SCHEMES = {
    "adi": "pictures that the claimant made, and for each a class that was drawn",
    "answers": "prompts for a language model, each with a few plausible next words, and for each one of these that was drawn",
    "blackmarks": "pictures moved from one group of classes towards another, and for each a group that was drawn",
    "certified": "pictures that the claimant made, or ordinary ones under patches or noise, and for each a class that was drawn",
    "choice": "answers in two versions, and for each pair a coin that was drawn and says which version was served",
    "classes": "classes of made-up pictures, some pictures of each, and for each of these classes a class that was drawn",
    "composite": "pictures of which each half is of another class, and for each pair of classes a class that was drawn",
    "coupled": "pictures of two classes fused into one, and for each pair of classes a class that was drawn",
    "dawn": "queries that an API was asked, and for each a wrong class that was drawn and served from then on",
    "deepmarks": "sums over the weights of one layer, one row of signs each, and for each a bit that was drawn",
    "deepsigns": "measurements inside the network, one row of numbers each, and for each a bit that was drawn",
    "deepsigns-blackbox": "pictures of noise, and for each a class that was drawn",
    "entangled": "ordinary pictures under patches of random colours, and for each patch a class that was drawn",
    "field": "ordinary inputs, and along each of some directions and for each class a sign that was drawn, by which answers lean",
    "frontier": "pictures moved to where two classes meet, and for each a drawn coin that says which of the two it is",
    "margin": "ordinary pictures, and for each a class that was drawn",
    "neuralmark": "sums over weights that a secret filter selects, one row of numbers each, and for each a bit that was drawn",
    "null": "pictures under patterns of pixels, and for each pattern a class that was drawn",
    "passports": "filters of one layer, a passport of numbers for each, and for each a bit that was drawn",
    "riga": "outputs of a secret network that reads the weights of one layer, and for each a bit that was drawn",
    "spread": "sums over many weights of many layers, each with a sign of its own, and for each sum a bit that was drawn",
    "twins": "records in two versions, and for each pair a coin that was drawn and says which version was trained on",
    "uchida": "sums over the weights of one layer, one row of numbers each, and for each a bit that was drawn",
    "zhang": "pictures under patches or noise, or unrelated ones, and for each a class that was drawn",
}
"""What the test points are."""

NOUNS = {"field": "signs"}
"""What is drawn, where it is neither an answer nor a bit of the weights."""

GRADED = (
    "They do not count alike: one that shows clearly in the suspect's answers gives many points, one that hardly shows gives "
    "few, whichever is drawn. Those that were drawn got {score} of {highest} points. The evidence is the share of all messages "
    "that could have been drawn which would have got as many."
)
"""How symbols count that are graded."""

MEANS_DEPENDENCE = (
    "To depend on the message means: had another message been drawn, the suspect would read otherwise. "
    "It does not mean that the suspect was copied."
)

NOT_OWNERSHIP = "It does not say who made the model, or who owns it."

NOT_THE_RECIPIENT = (
    "It does not say that the recipient passed the copy on: it may have been taken from him, and whoever holds the key can "
    "make it again."
)

LIMITS = {
    "dependence-shown": (
        "It does not show copying. It does not say how the dependence came about: a copy, training on the answers of a marked "
        "model, and training on data into which somebody had put the claimant's data all look alike here.",
        NOT_OWNERSHIP,
    ),
    "no-evidence": (
        "It does not show that the suspect is free of the claimant's message: marks can be weakened and removed.",
        NOT_OWNERSHIP,
    ),
    "invalid-claim": (
        "It does not say whether the suspect depends on anything of the claimant's.",
        NOT_OWNERSHIP,
    ),
    "not-decidable": (
        "It does not say whether the suspect depends on the claimant's message.",
        NOT_OWNERSHIP,
    ),
}
