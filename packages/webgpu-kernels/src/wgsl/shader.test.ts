import { expect, test } from 'vitest';
import { reads, shader, writes } from './shader.js';

const made = (params: { [name: string]: 'u32' }, name = 'x'): unknown =>
  shader({
    name: 'test/named',
    operands: [reads(name, 'f32', 0), writes('y', 'f32', 1)],
    params,
    workgroup: 64,
    main: '',
  });

test('names that WGSL keeps for itself are refused where the shader is made', () => {
  expect(() => made({ n: 'u32', from: 'u32' })).toThrow(
    "shader test/named: names of operands and parameters must be free names of WGSL, got 'from'. Choose another word.",
  );
  expect(() => made({ n: 'u32' }, 'target')).toThrow("got 'target'");
  expect(() => made({ 'two words': 'u32' })).toThrow("got 'two words'");
  expect(() => made({ n: 'u32' }, 'y')).toThrow("got 'y' twice");
  expect(made({ n: 'u32', fromRow: 'u32' })).toMatchObject({ params: ['u32', 'u32'] });
});
