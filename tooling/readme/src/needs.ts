/** What a mechanism's factory needs beside `dModel`; one that needs nothing is not listed. */
export const needs: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  attention: { numHeads: 4 },
  'cross-attention': { numHeads: 4 },
};

/** `minimal-gru` → `minimalGru`: the factory of a mechanism is called like its folder. */
export function camelCase(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
