import { expect, test } from 'vitest';
import { root } from './checks.js';
import { finding, mapLimited, run, tool } from './tool.js';

test('a failing program gives a finding with what it printed', async () => {
  const result = await run(
    process.execPath,
    ['-e', 'console.log("out"); console.error("err"); process.exit(3)'],
    root,
  );
  expect(result.code).toBe(3);
  expect(finding(result).join()).toMatch(/out[^]*err|err[^]*out/);
  expect(finding(await run(process.execPath, ['-e', 'process.exit(4)'], root))).toEqual([
    'ended with exit code 4',
  ]);
});

test('a program that does not exist fails', async () => {
  expect((await run('no-such-program-here', [], root)).code).toBe(127);
  expect((await tool(root, 'no-such-package', [])).code).toBe(127);
});

test('a program that ends well gives no finding', async () => {
  expect(finding(await run(process.execPath, ['-e', 'console.log("warning")'], root))).toEqual([]);
});

test('mapLimited keeps order and limit', async () => {
  let running = 0;
  let most = 0;
  const results = await mapLimited([30, 10, 20, 5], 2, async (ms) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, ms));
    running--;
    return ms * 2;
  });
  expect(results).toEqual([60, 20, 40, 10]);
  expect(most).toBe(2);
});
