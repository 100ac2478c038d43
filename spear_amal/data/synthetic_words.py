"""Words and sentence templates of the generated corpus; all made up for it."""

from __future__ import annotations

CLASSES = ("romance", "action")

WORDS: dict[str, tuple[str, ...]] = {
    "name": (
        *("Ada", "Bram", "Carla", "Dov", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas"),
        *("Kira", "Lena", "Malik", "Nora", "Omar", "Petra", "Quinn", "Rosa", "Sven", "Tara"),
    ),
    "other": (
        *("Ulla", "Victor", "Wanda", "Xavier", "Yara", "Zeno", "Anton", "Bela", "Clara", "Dario"),
    ),
    "place": (
        *("Lisbon", "the harbour", "a mountain village", "Chicago", "the old town", "Nairobi"),
        *("a small island", "Vienna", "the capital", "the coast", "Bombay", "the desert"),
    ),
    "job": (
        *("doctor", "teacher", "lawyer", "journalist", "pilot", "painter", "student", "singer"),
        *("soldier", "detective", "nurse", "driver", "cook", "engineer", "reporter", "boxer"),
    ),
    "kin": ("brother", "father", "sister", "mother", "uncle", "cousin", "old friend", "neighbour"),
    "time": (
        *("one summer", "after ten years", "that night", "the next morning", "a week later"),
        *("years earlier", "in the end", "before long", "meanwhile", "by chance"),
    ),
    "foe": (
        *("gang", "terrorist", "drug lord", "smuggler", "mercenary", "assassin", "warlord"),
        *("crime boss", "spy", "army", "hijacker", "corrupt officer"),
    ),
    "arm": ("gun", "bomb", "missile", "rifle", "knife", "tank", "helicopter", "grenade"),
    "feeling": ("love", "jealousy", "heartbreak", "longing", "passion", "affection", "tenderness"),
    "feast": ("wedding", "engagement", "marriage", "honeymoon", "first date", "dance"),
}

SHARED_SENTENCES = (
    "{name} is a young {job} who lives in {place} with a {kin}.",
    "{time}, {name} comes back to {place} and meets {other} again.",
    "{other}, a {job}, has kept a secret from the {kin} for years.",
    "{name} loses the job and has to start anew in {place}.",
    "The story follows {name} and {other} from {place} to {place}.",
    "{time}, a letter for the {kin} changes everything.",
    "{other} asks {name} for help, but the {kin} does not agree.",
    "{name} leaves {place} without a word.",
    "The {kin} of {other} falls ill, and money is short.",
    "{time}, {name} finds out who {other} really is.",
    "Nobody in {place} believes the {job}.",
    "{name} and {other} travel together and quarrel all the way.",
    "A {job} from {place} tells the tale to a {kin}.",
    "{name} must choose between {other} and the {kin}.",
    "They miss the last train to {place} and wait until dawn.",
    "{other} lies to the police about what happened in {place}.",
    "{time}, the past of {name} returns.",
    "{name} promises the dying {kin} to look after {other}.",
)

_ROMANCE = (
    "{name} falls in love with {other}, a {job}.",
    "{time}, {name} and {other} kiss for the first time.",
    "The {feast} of {name} and {other} is planned for spring.",
    "{name} confesses a deep {feeling} to {other}.",
    "{other} breaks the heart of {name} and marries a {job}.",
    "{name} is engaged to a {job} but thinks of {other} alone.",
    "At the {feast}, {other} dances with the {kin} of {name}.",
    "Their relationship suffers from {feeling} and pride.",
    "{name} proposes to {other} in {place}.",
    "Both families oppose the {feast}.",
    "{name} has an affair with a married {job}.",
    "{feeling} grows between the {job} and {name}.",
    "{other} runs away from the {feast} with {name}.",
    "{time}, the couple is happily reunited in {place}.",
)
_ACTION = (
    "{name}, a former agent, is sent to {place} to stop a {foe}.",
    "A {foe} kills the {kin} of {name}, who swears revenge.",
    "{time}, a {arm} goes off, and the explosion destroys the building.",
    "{name} fights a {foe} on the roof of a moving train.",
    "The {foe} takes {other} hostage in {place}.",
    "{name} escapes from prison with a stolen {arm}.",
    "In a final battle {name} defeats the {foe}.",
    "The mission fails, and {other} is captured by a {foe}.",
    "A war between two clans breaks out in {place}.",
    "{name} steals a {arm} and chases the {foe} through {place}.",
    "{other} is shot by a {foe} during the attack.",
    "{name} rescues the hostages before the {arm} explodes.",
    "The {foe} murders a {job} and blames {name}.",
    "{time}, the team raids the base of the {foe}.",
)
GENRE_SENTENCES = (_ROMANCE, _ACTION)
