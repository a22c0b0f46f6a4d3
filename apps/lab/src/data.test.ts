import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildVocabulary, decode, encode, splitText, UNKNOWN } from './data.js';
import { EXIT, LabError } from './errors.js';
import { loadText } from './text.js';

const folder = mkdtempSync(join(tmpdir(), 'seq-lab-data-'));

function file(name: string, content: string | Uint8Array): { kind: 'file'; path: string } {
  const path = join(folder, name);
  writeFileSync(path, content);
  return { kind: 'file', path };
}

function refusal(source: { kind: 'file'; path: string }): LabError {
  try {
    loadText(source);
  } catch (error) {
    expect(error).toBeInstanceOf(LabError);
    return error as LabError;
  }
  throw new Error('the text was accepted');
}

describe('loadText', () => {
  it('reads Moby-Dick whole, in order', () => {
    const { title, text } = loadText({ kind: 'moby-dick' });
    expect(title).toBe('Moby-Dick');
    expect(text.length).toBeGreaterThan(1_200_000);
    const places = [
      'CONTENTS',
      'ETYMOLOGY.',
      'EXTRACTS.',
      'CHAPTER 1. Loomings.\n\nCall me Ishmael.',
      'CHAPTER 135. ',
      'Epilogue',
    ].map((s) => text.lastIndexOf(s));
    expect(places.every((at) => at >= 0)).toBe(true);
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  it('reads a UTF-8 file, drops a byte order mark and turns CRLF into LF', () => {
    const { text } = loadText(file('crlf.txt', `\uFEFF${'né\r\n'.repeat(1000)}`));
    expect(text).toBe('né\n'.repeat(1000));
  });

  it('tells texts apart by their hash', () => {
    const a = loadText(file('a.txt', 'ab'.repeat(2000)));
    const b = loadText(file('b.txt', 'ba'.repeat(2000)));
    expect(a.sha256).not.toBe(b.sha256);
    expect(a.sha256).toBe(loadText(file('c.txt', 'ab'.repeat(2000))).sha256);
  });

  it.each([
    ['a missing file', { kind: 'file', path: join(folder, 'absent.txt') } as const, 'must be readable'],
    ['an empty file', file('empty.txt', ''), 'must not be empty'],
    ['a short file', file('short.txt', 'a few words'), 'at least 2000 characters, got'],
    ['a binary file', file('binary.bin', Uint8Array.of(137, 80, 78, 71, 0, 1, 2)), 'zero byte at 4'],
    [
      'a Latin-1 file',
      file(
        'latin1.txt',
        Uint8Array.from({ length: 4000 }, (_, i) => (i % 2 ? 0xe9 : 0x61)),
      ),
      'must be UTF-8',
    ],
    ['a folder', { kind: 'file', path: folder } as const, 'must be readable'],
  ])('refuses %s with exit code 3 and says why', (_, source, message) => {
    const error = refusal(source);
    expect(error.exitCode).toBe(EXIT.input);
    expect(error.message).toContain(message);
    expect(error.message).toContain(source.path);
  });
});

describe('vocabulary', () => {
  it('holds the unknown symbol and the distinct characters in code point order', () => {
    expect(buildVocabulary('cab😀ac').symbols).toEqual([UNKNOWN, 'a', 'b', 'c', '😀']);
  });

  it('encodes and decodes, one token per code point, what it does not know as token 0', () => {
    const vocabulary = buildVocabulary('ab😀');
    expect([...encode(vocabulary, 'b😀xa')]).toEqual([2, 3, 0, 1]);
    expect(decode(vocabulary, [2, 3, 0, 1])).toBe(`b😀${UNKNOWN}a`);
  });
});

describe('splitText', () => {
  const text = `${'abc'.repeat(300)}${'abz'.repeat(33)}a`;
  const split = splitText(text, 0.1);

  it('cuts the last tenth off, contiguous, and loses nothing', () => {
    expect(split.cut).toBe(900);
    expect(split.validationCharacters).toBe(100);
    expect([...split.train, ...split.validation.subarray(1)]).toEqual([...split.tokens]);
    expect(decode(split.vocabulary, split.train)).toBe('abc'.repeat(300));
  });

  it('begins validation with one character of context, so that every validation character is a target', () => {
    expect(split.validation.length).toBe(split.validationCharacters + 1);
    expect(split.validation[0]).toBe(split.train.at(-1));
  });

  it('takes the vocabulary from the training part alone and counts what it does not know', () => {
    expect(split.vocabulary.symbols).toEqual([UNKNOWN, 'a', 'b', 'c']);
    expect(split.unknown).toBe(33);
  });
});
