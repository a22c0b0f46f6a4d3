/// <reference types="vite/client" />
import type { Mixer } from '@seq/nn';
import { judge, testDevices } from '@seq/testing';
import type { LawName, TestDevice } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { camelCase, needs } from '../../readme/src/needs.js';

// Every mechanism of the repository, in a page: what depends on the platform's WebGPU.

type Factory = (options: { dModel: number }) => Mixer;

const mixers = Object.keys(import.meta.glob('../../../packages/*/src/*/mixer.ts'));
const indices = import.meta.glob<Record<string, Factory>>('../../../packages/*/src/*/index.ts');
/** Mechanisms that the laws meet in a wrapping that gives them what they need. */
const wrapped: Record<string, () => Promise<unknown>> = {
  'cross-attention': async () => {
    const { beforeContext } = await import('../../../packages/attention/src/cross-attention/testkit.js');
    return { crossAttention: beforeContext };
  },
};
/** Sizes that suit `dModel` 8, where the defaults do not. */
const sizes: Readonly<Record<string, object>> = { mamba2: { headDim: 8, stateDim: 4 } };
const laws: readonly LawName[] = ['agreement', 'device', 'recycledMemory'];
const webgpu = testDevices().find((d): d is TestDevice => d.kind === 'webgpu')!;

test('the page has WebGPU', () => {
  expect(webgpu.reason).toBeUndefined();
});

for (const path of mixers) {
  const [room, , name] = path.split('/').slice(-4);
  describe(`${room}/${name}`, () => {
    test.each(laws)('%s', async (law) => {
      const exports = (await (wrapped[name] ?? indices[path.replace('mixer.ts', 'index.ts')])()) as Record<
        string,
        Factory
      >;
      const small = { dModel: 8, ...needs[name], ...sizes[name] };
      const [verdict] = await judge(exports[camelCase(name)], { small, device: webgpu }, [law]);
      if (verdict.error) throw verdict.error;
    });
  });
}
