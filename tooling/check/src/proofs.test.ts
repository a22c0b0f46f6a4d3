import { expect, test } from 'vitest';
import { proofs } from './proofs.js';

async function lines(
  use: (list: ReturnType<typeof proofs>) => Promise<void> | void,
): Promise<[string[], number]> {
  const printed: string[] = [];
  const list = proofs(
    'demo',
    (line) => void printed.push(line.replace(/\u001b\[\d+m/g, '').replace(/\d+\.\d s/, 'n s')),
  );
  await use(list);
  return [printed, list.end()];
}

test('a proof without findings holds; its notes stand on its line', async () => {
  const [printed, code] = await lines(async (list) => {
    expect(
      await list.prove('one', (note) => {
        note('3 kB');
        return [];
      }),
    ).toBe(true);
  });
  expect(printed).toEqual(['ok        n s  one  3 kB', 'demo: 1 passed, 0 failed']);
  expect(code).toBe(0);
});

test('findings and errors fail, and are shown', async () => {
  const [printed, code] = await lines(async (list) => {
    expect(await list.prove('one', async () => ['first\nsecond'])).toBe(false);
    await list.prove('two', () => {
      throw new Error('broken');
    });
    await list.prove('three', () => []);
  });
  expect(printed.slice(0, 3)).toEqual(['FAILED    n s  one', '    first\n    second', 'FAILED    n s  two']);
  expect(printed.join('\n')).toMatch(/two\n {4}Error: broken/);
  expect([printed.at(-1), code]).toEqual(['demo: 1 passed, 2 failed', 1]);
});

test('what could not be proven is counted apart; nothing proven is a failure', async () => {
  const [printed, code] = await lines((list) =>
    list.skip('one under Bun', 'npm has no Bun for this machine'),
  );
  expect(printed).toEqual([
    'skipped          one under Bun: npm has no Bun for this machine',
    'demo: 0 passed, 0 failed, 1 skipped',
  ]);
  expect(code).toBe(1);
});
