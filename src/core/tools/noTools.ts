import type { ToolConstraints } from './tool.ts';
import type { ToolSet } from './toolSet.ts';

/** The tools of a run that has no servers. */
export function noTools(constraints: ToolConstraints): ToolSet {
  return {
    constraints,
    tools: [],
    unavailable: [],
    call: () => Promise.resolve({ kind: 'skipped', provider: null, reason: 'unknown_tool' }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
