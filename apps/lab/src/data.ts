import { inputError } from './errors.js';

/** Stands for every character that the training split does not contain. */
export const UNKNOWN = '\uFFFD';

/** A character vocabulary: token i is the character `symbols[i]`; token 0 is UNKNOWN. */
export interface Vocabulary {
  readonly symbols: readonly string[];
  readonly index: ReadonlyMap<string, number>;
}

/** The vocabulary of these symbols, as it is stored in a checkpoint (`symbols[0]` is UNKNOWN). */
export function vocabularyOf(symbols: readonly string[]): Vocabulary {
  return { symbols, index: new Map(symbols.map((symbol, i) => [symbol, i])) };
}

/** UNKNOWN, then the distinct characters (code points) of the training text in code point order. */
export function buildVocabulary(trainingText: string): Vocabulary {
  const characters = new Set(trainingText);
  characters.delete(UNKNOWN);
  const sorted = [...characters].sort((a, b) => (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0));
  return vocabularyOf([UNKNOWN, ...sorted]);
}

/** Characters to tokens; characters outside the vocabulary become token 0. */
export function encode(vocabulary: Vocabulary, text: string): Int32Array {
  const tokens = new Int32Array(text.length);
  let n = 0;
  for (const character of text) tokens[n++] = vocabulary.index.get(character) ?? 0;
  return tokens.subarray(0, n);
}

/** Tokens to characters. */
export function decode(vocabulary: Vocabulary, tokens: Iterable<number>): string {
  let text = '';
  for (const token of tokens) text += vocabulary.symbols[token] ?? UNKNOWN;
  return text;
}

/** A text cut into a training part and, after it, a validation part; neither is shuffled. */
export interface Split {
  readonly vocabulary: Vocabulary;
  /** The whole text. */
  readonly tokens: Int32Array;
  /** Position of the first validation character: `tokens[0 .. cut)` is for training. */
  readonly cut: number;
  readonly train: Int32Array;
  /** `tokens[cut − 1 ..]`: one character of context, then every validation character as a target. */
  readonly validation: Int32Array;
  /** How many characters of validation are to be predicted. */
  readonly validationCharacters: number;
  /** How many of these do not occur in the training part and count as UNKNOWN. */
  readonly unknown: number;
}

/**
 * The last `share` of a text is validation, the rest is for training; the vocabulary is that of the training part.
 *
 * A validation character that training never saw is the symbol UNKNOWN. Models and n-gram floors predict this same
 * symbol, which is easier than the character itself; `unknown` says how often it happened.
 */
export function splitText(text: string, share = 0.1): Split {
  const characters = [...text];
  const cut = characters.length - Math.floor(characters.length * share);
  if (cut < 1 || cut >= characters.length) {
    throw inputError(
      `splitText: both parts must hold a character, got ${characters.length} characters with ${share} for validation. Give a longer text.`,
    );
  }
  const vocabulary = buildVocabulary(characters.slice(0, cut).join(''));
  const tokens = encode(vocabulary, text);
  let unknown = 0;
  for (let i = cut; i < tokens.length; i++) if (tokens[i] === 0) unknown++;
  return {
    vocabulary,
    tokens,
    cut,
    train: tokens.subarray(0, cut),
    validation: tokens.subarray(cut - 1),
    validationCharacters: tokens.length - cut,
    unknown,
  };
}
