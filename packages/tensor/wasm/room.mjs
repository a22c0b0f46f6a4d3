// One build for every engine with SIMD. Relaxed SIMD multiplies and adds in one instruction; without it that takes several,
// and a local variable between them. So every such instruction is followed by room for these, filled with what does
// nothing, and `src/wasm/load.ts` writes them there where an engine refuses the module. Sizes stay as they are.

const [get, set, drop, nop, v128] = [0x20, 0x21, 0x1a, 0x01, 0x7b];
const mul = [0xfd, 0xe6, 0x01];
const neg = [0xfd, 0xe1, 0x01];
const add = [0xfd, 0xe4, 0x01];

/** By the second byte of the opcode fd .. 02: what a b c → a b + c and → c − a b are without relaxed SIMD; t is a local. */
const spelled = {
  0x85: (t) => [set, t, ...mul, get, t, ...add],
  0x86: (t) => [set, t, ...mul, ...neg, get, t, ...add],
};

/**
 * The module with room behind its multiply-adds, or with these spelled out.
 *
 * @param bytes  a module as AssemblyScript makes it
 * @param count  multiply-adds that it has
 */
export function withRoom(bytes, count, plain = false) {
  const parameters = [];
  const types = [];
  const out = [bytes.subarray(0, 8)];
  let [at, found] = [8, 0];
  const read = () => {
    let [n, shift, byte] = [0, 0, 0];
    do {
      byte = bytes[at++];
      n += (byte & 127) * 2 ** shift;
      shift += 7;
    } while (byte > 127);
    return n;
  };
  const times = (f) => {
    for (let n = read(); n > 0; n--) f();
  };
  const functionBody = (type) => {
    const end = read() + at;
    const [from, groups] = [at, read()];
    const first = at;
    let t = parameters[type];
    for (let g = 0; g < groups; g++) {
      t += read();
      at++;
    }
    const code = [];
    for (let i = at; i < end; i++) {
      const spell = bytes[i] === 0xfd && bytes[i + 2] === 0x02 ? spelled[bytes[i + 1]] : undefined;
      if (spell === undefined) {
        code.push(bytes[i]);
        continue;
      }
      found++;
      if (t > 127)
        throw new Error(`wasm: functions that multiply and add must have at most 127 locals, got ${t}`);
      const several = spell(t);
      const one = [...bytes.subarray(i, i + 3), get, t, drop];
      code.push(...(plain ? several : [...one, ...Array(several.length - one.length).fill(nop)]));
      i += 2;
    }
    const body =
      code.length === end - at
        ? bytes.subarray(from, end)
        : [...number(groups + 1), ...bytes.subarray(first, at), 1, v128, ...code];
    at = end;
    return [...number(body.length), ...body];
  };
  while (at < bytes.length) {
    const from = at;
    const id = bytes[at++];
    const end = read() + at;
    if (id === 1) {
      times(() => {
        at++;
        const n = read();
        parameters.push(n);
        at += n;
        const results = read();
        at += results;
      });
    } else if (id === 3) times(() => types.push(read()));
    if (id !== 10) out.push(bytes.subarray(from, end));
    else {
      const bodies = [];
      const n = read();
      for (let f = 0; f < n; f++) bodies.push(functionBody(types[f]));
      const section = [number(n), ...bodies].flat();
      out.push(Uint8Array.of(id, ...number(section.length)), Uint8Array.from(section));
    }
    at = end;
  }
  if (found !== count) throw new Error(`wasm: ${count} multiply-adds must be found, got ${found}`);
  return Buffer.concat(out);
}

/** An integer as modules write it. */
function number(n) {
  const bytes = [];
  for (; n > 127; n = Math.floor(n / 128)) bytes.push((n % 128) + 128);
  return [...bytes, n];
}
