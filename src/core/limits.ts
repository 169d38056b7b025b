/** Bounds that every room keeps to. */

/** Questions that a tunnel may ask a person at once; further ones are left out, and then fail. */
export const QUESTIONS_MOST = 8
/** Characters of a question's words, which may come from a server; the rest is cut off. */
export const QUESTION_LABEL = 200
/** Choices of one question that are shown; the rest is cut off. */
export const QUESTION_CHOICES = 32
/** Values of a server that can't be and are told in the log, for one link; the rest is left out silently. */
export const LEFT_OUT_MOST = 16
/** Texts that one environment blanks out of words for people; beyond that the shortest are forgotten. */
export const KNOWN_SECRETS = 512
/** Characters of one answer; a longer one is refused. */
export const ANSWER_MOST = 1024
