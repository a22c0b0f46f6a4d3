/** Rotations of the rounds, and the words of the key added after every four. */
const rotations = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
];

/**
 * `threefry(k, c)`: block c of key k, Threefry-2x32 with 20 rounds, rounds unrolled.
 *
 * @see Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", section 4.3
 */
export const threefry: string = [
  'fn threefry(k: vec2<u32>, c: vec2<u32>) -> vec2<u32> {',
  '  let k2 = k.x ^ k.y ^ 0x1bd11bdau;',
  '  var a = c.x + k.x; var b = c.y + k.y;',
  ...Array.from({ length: 5 }, (_, g) => {
    const words = ['k.x', 'k.y', 'k2'];
    const rounds = rotations[g % 2].map((r) => `a += b; b = ((b << ${r}u) | (b >> ${32 - r}u)) ^ a;`);
    return `  ${rounds.join(' ')} a += ${words[(g + 1) % 3]}; b += ${words[(g + 2) % 3]} + ${g + 1}u;`;
  }),
  '  return vec2<u32>(a, b);',
  '}',
].join('\n');
