import { expect, test } from 'vitest';
import { announceCopy } from './announce.js';

test('a second copy announces itself, the first and a repetition do not', () => {
  const scope: Record<symbol, unknown> = {};
  const said: string[] = [];
  const warn = (message: string): void => void said.push(message);
  announceCopy('file:///a/index.js', scope, warn);
  announceCopy('file:///a/index.js', scope, warn);
  expect(said).toEqual([]);
  announceCopy('file:///b/index.js', scope, warn);
  expect(said).toEqual([
    '@seq/tensor: two copies are loaded, file:///a/index.js and file:///b/index.js. Tensors of one are strangers to the other. ' +
      'Make it a peerDependency where you publish, and look with `npm ls @seq/tensor`.',
  ]);
});
