import { expect, test } from 'vitest';
import { judge } from './examples.js';
import { installLines, packagesOf } from './readme.js';

test('install lines are those of the first block that has some, without flags and comments', () => {
  const block = (text: string): string => `\`\`\`sh\n${text}\n\`\`\`\n`;
  const readme = `# A\n${block('ls')}${block('npm i -D @seq/a  @seq/b vitest')}\n${block('npm i c')}`;
  expect(installLines(readme)).toEqual([['@seq/a', '@seq/b', 'vitest']]);
  expect(installLines(block('npm install a \nnpm i b # in Node only'))).toEqual([['a'], ['b']]);
  expect(installLines('Say `npm i x` or not.\nnpm i y\n')).toEqual([]);
});

const example = (code: string, prints: string[] = []): Parameters<typeof judge>[0] => ({
  line: 7,
  code,
  prints,
});

test('an example names the packages it imports, subpaths and types too, Node and files not', () => {
  const code = [
    `import { a } from '@seq/rnn/gru';`,
    `import type { T } from '@seq/rnn';`,
    `import {\n  b,\n} from 'left-pad/x';`,
    `import 'side-effect';`,
    `import fs from 'node:fs';`,
    `import { c } from './own.js';`,
  ].join('\n');
  expect(packagesOf(example(code))).toEqual(['@seq/rnn', 'left-pad', 'side-effect']);
});

test('what an example prints is held against what the README promises', () => {
  const promised = example('', ['1 2', 'true']);
  expect(judge(promised, { code: 0, output: 'x\n1 2\ntrue' })).toEqual([]);
  expect(judge(promised, { code: 0, output: 'true\n1 2' }).join()).toMatch(
    /line 7 .* promises "true" but printed/,
  );
  expect(judge(promised, { code: 3, output: 'boom' }).join()).toMatch(/exit code 3:\nboom/);
});
