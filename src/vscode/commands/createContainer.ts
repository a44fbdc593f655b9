import type { Container } from '../../core/containers/container.ts';
import type { LiveContainers } from '../../core/liveOrchestrator.ts';
import { askWithLog, showProblem } from '../ui/problems.ts';
import { withLateProgress } from '../ui/progress.ts';
import { back } from '../ui/quickInputs.ts';
import { describeContainerExit, hasContainerFailed } from '../views/describeContainer.ts';
import { type ContainerPlace, containersOf, hasEngine } from './containerEngine.ts';
import { readRecent, requestOf, withRecent } from './containerDraft.ts';
import { fillForm } from './containerForm.ts';
import type { CommandContext, CommandHandler } from './context.ts';
import { askImage } from './imageChoice.ts';
import { sessionForNew } from './sessionCommands.ts';

const memoryKey = 'orchestrator.containers.recent';
/** One that ends sooner than this has most likely not done what was wanted of it. */
const quickEndMs = 2_000;

/** Asks for an image, then for the rest, and makes a container that runs. @returns its id */
export const createContainer: CommandHandler = async (context, args) => {
  const place = await context.place(args);
  const { containers, terminals } = containersOf(place);
  const session = await sessionForNew(context, place.orchestrator, args, 'Create container');
  if (session === undefined || !(await hasEngine(containers))) return undefined;
  const { log, memory } = context;
  for (;;) {
    const recent = readRecent(memory.get(memoryKey));
    const chosen = await askImage({ containers, session, recent, log });
    if (chosen === undefined) return undefined;
    let { draft, isComplete } = chosen;
    // Two of one name could not be told apart: the next one is called after its image.
    if (isNameTaken(containers, session.id, draft.name)) draft = { ...draft, name: '' };
    for (;;) {
      if (!isComplete) {
        const filled = await fillForm(draft, {
          folder: session.cwd,
          canMount: containers.engine?.isLocal !== false,
        });
        if (filled === undefined) return undefined;
        if (filled === back) break;
        draft = filled;
      }
      try {
        const container = await make(containers, requestOf(draft, session));
        await memory.update(memoryKey, withRecent(readRecent(memory.get(memoryKey)), draft));
        if (draft.hasTerminal) terminals.attach(container);
        else void tellQuickEnd(context, { containers, terminals }, container);
        return container.id;
      } catch (error) {
        // What was filled in stays, to be mended.
        showProblem('The container was not created', error, log);
        isComplete = false;
      }
    }
  }
};

function isNameTaken(containers: LiveContainers, sessionId: string, name: string): boolean {
  return containers.list({ sessionId }).some((container) => container.name === name);
}

function make(containers: LiveContainers, request: Parameters<LiveContainers['run']>[0]): Promise<Container> {
  // Once the engine has begun there is nothing to be cancelled: what it makes is removed if it does not start.
  return withLateProgress(`Creating a container of ${request.image}`, () => containers.run(request));
}

/** A container that fails at once is easily overlooked in the tree. */
async function tellQuickEnd(
  { log }: CommandContext,
  { containers, terminals }: ContainerPlace,
  { id, name }: Container,
): Promise<void> {
  try {
    await containers.waitForExit(id, AbortSignal.timeout(quickEndMs));
  } catch {
    // It runs, as it should, or was removed.
    return;
  }
  const container = containers.find(id);
  if (container?.exit === undefined || !hasContainerFailed(container)) return;
  const how = describeContainerExit(container.exit);
  log.info(`the container ${name} ended at once: ${how}`);
  const answer = await askWithLog(
    'warning',
    `The container "${name}" ended at once: ${how}.`,
    'Show Its Output',
  );
  if (answer !== undefined) terminals.showLogs(container);
}
