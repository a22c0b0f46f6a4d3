import type { Example } from '@seq-tooling/readme/examples';

/**
 * The packages of a README's install lines `npm i …`: those of its first block that has one, line by line, without flags
 * and comments. Lines after the first tell what some need beside it (`npm i webgpu # in Node only`).
 */
export function installLines(markdown: string): string[][] {
  const blocks = [...markdown.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? '');
  const lines = blocks.map((block) => [...block.matchAll(/^npm (?:i|install) ([^#\n]+)/gm)]);
  const first = lines.find((found) => found.length > 0) ?? [];
  return first.map((match) => {
    const words = (match[1] ?? '').trim().split(/\s+/);
    return words.filter((word) => !word.startsWith('-'));
  });
}

/** The packages that an example imports. */
export function packagesOf(example: Example): string[] {
  const specifiers = [...example.code.matchAll(/\bfrom '([^'.][^']*)'|^import '([^'.][^']*)'/gm)];
  const names = specifiers.map(([, named, bare]) => {
    const parts = (named ?? bare ?? '').split('/');
    return parts.slice(0, parts[0]?.startsWith('@') ? 2 : 1).join('/');
  });
  return [...new Set(names)].filter((name) => !name.startsWith('node:')).sort();
}
