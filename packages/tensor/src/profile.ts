import { compile, deviceOf, isCompiled } from './compile.js';
import type { DispatchTime } from './device.js';
import type { Plan } from './plan.js';
import { tableOf } from './plan.js';
import { cloneTree, disposeTree, treeLeaves } from './tree.js';
import type { Tree } from './tree.js';

/** A plan with the times of a run. */
export interface Profile extends Plan {
  /** What was submitted, by kernel, longest first; null where the device has no clock of its own. */
  readonly times: readonly DispatchTime[] | null;
  /** Sum of the times. */
  readonly milliseconds: number | null;
}

/**
 * The plan of a function, as `explain` gives it, with the times that its dispatches take by the device's own clock.
 *
 * It runs the function twice, the first time to have everything compiled. Arguments stay, also those that a compiled
 * function takes over. Clocks of devices may be coarse (0.1 ms in browsers), and what lies between dispatches is not in
 * the times.
 *
 * @throws what f throws; late errors of the device
 */
export async function profile<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  ...args: A
): Promise<Profile> {
  const run = isCompiled(f) ? f : compile(f);
  const device = deviceOf('profile', treeLeaves(args));
  const plan = run.plan(...args);
  const once = async (): Promise<void> => {
    const own = cloneTree<readonly unknown[]>(args) as A;
    const results = run(...own) as Tree;
    await Promise.all(treeLeaves(results).map((t) => t.realize()));
    disposeTree(results);
    disposeTree(own);
  };
  try {
    await Promise.all(treeLeaves(args as Tree).map((t) => t.realize()));
    await once();
    const times = (await device.timed?.(once)) ?? null;
    const milliseconds = times && times.reduce((n, d) => n + d.milliseconds, 0);
    const toString = (): string => [String(plan), ...describe(times, milliseconds)].join('\n');
    return { ...plan, times, milliseconds, toString };
  } finally {
    if (run !== f) run.dispose();
  }
}

function describe(times: readonly DispatchTime[] | null, milliseconds: number | null): string[] {
  if (times === null) return ['no times: the device has no clock of its own'];
  const rows = times.map((d) => [d.name, `×${d.count}`, d.milliseconds.toFixed(3)]);
  return [
    ...tableOf(['dispatch', 'runs', 'ms'], rows, 1),
    `${milliseconds!.toFixed(3)} ms in ${times.reduce((n, d) => n + d.count, 0)} dispatches`,
  ];
}
