/// <reference types="vite/client" />
import type { Mixer } from '@seq/nn';
import { judge, testDevices } from '@seq/testing';
import type { LawName, TestDevice } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { camelCase, needs } from '../../readme/src/needs.js';

// Every mechanism of the repository, in a page: what depends on the platform's WebGPU.

type Factory = (options: { dModel: number }) => Mixer;

const rooms = import.meta.glob<Record<string, Factory>>('../../../packages/*/src/*/index.ts', {
  eager: true,
});
const mixers = new Set(Object.keys(import.meta.glob('../../../packages/*/src/*/mixer.ts')));
const laws: readonly LawName[] = ['agreement', 'device', 'recycledMemory'];
const webgpu = testDevices().find((d): d is TestDevice => d.kind === 'webgpu')!;

test('the page has WebGPU', () => {
  expect(webgpu.reason).toBeUndefined();
});

for (const [path, exports] of Object.entries(rooms)) {
  if (!mixers.has(path.replace('index.ts', 'mixer.ts'))) continue;
  const [room, , name] = path.split('/').slice(-4);
  describe(`${room}/${name}`, () => {
    test.each(laws)('%s', async (law) => {
      const factory = exports[camelCase(name)];
      const small = { dModel: 8, ...needs[name] };
      const [verdict] = await judge(factory, { small, device: webgpu }, [law]);
      if (verdict.error) throw verdict.error;
    });
  });
}
