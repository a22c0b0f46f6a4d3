import type * as shaders from '../../wgsl/shader.js';

/** Workgroups of a row of a grid, so that grids of several rows need no millions of elements. */
export const row = 2;

/** The module `wgsl/shader.ts` with grids of short rows: for `vi.mock`, so nothing here may import it. */
export const withShortRows = (module: typeof shaders): typeof shaders => ({
  ...module,
  grid(n, per = 1) {
    const groups = Math.ceil(n / per);
    const rows = Math.max(1, Math.ceil(groups / row));
    return [Math.ceil(groups / rows), rows, 1];
  },
});
