import type { Run } from '../../core/runs/run.ts';
import type { CoreService, CoreState } from '../core/coreService.ts';
import type { RemotePlaces } from '../remote/remotePlaces.ts';

/** Where starting a run would only fail; in the other states the first run starts the core. */
export const blockedReason: Readonly<Partial<Record<CoreState['word'], string>>> = {
  untrusted: 'Nothing is run in a workspace that is not trusted.',
  inUse: 'Another window serves the sessions of this workspace, and runs its tasks.',
};

export interface BannerContext {
  readonly core: CoreService;
  readonly remotes: RemotePlaces;
  /** The run that the panel is for. */
  readonly runId: string | undefined;
  readonly run: Run | undefined;
  /** It is one of another orchestrator. */
  readonly isRemote: boolean;
}

/** A sentence where the panel cannot show what it is asked for. */
export function panelBanner({ core, remotes, runId, run, isRemote }: BannerContext): string | undefined {
  if (run !== undefined && isRemote) return undefined;
  const absent = remotes.all.filter(({ orchestrator }) => orchestrator.connection !== 'connected');
  if (runId !== undefined && run === undefined && absent.length > 0) {
    return `This run may be one of ${absent.map(({ name }) => name).join(', ')}, which is not connected. It shows here when it is.`;
  }
  const { state } = core;
  switch (state.word) {
    case 'untrusted':
      return 'This workspace is not trusted, so nothing is started here. Trust it with "Orchestrator: Manage Trust".';
    case 'off':
    case 'starting':
      return runId === undefined ? undefined : 'Starting…';
    case 'inUse':
      return 'Another window serves the sessions of this workspace. Close it, or use "Orchestrator: Take Over State From Other Window".';
    case 'broken':
      return state.error.message;
    case 'ready':
      return runId !== undefined && run === undefined ? 'This run is no longer in the history.' : undefined;
  }
}
