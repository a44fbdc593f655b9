import { resolve } from 'node:path';
import { OrchestratorError } from '../../../base/errors.ts';
import type { ContainerTask } from '../../../core/containerTasks/containerTask.ts';
import { seenContainerTask } from '../../../core/containerTasks/containerTaskAccess.ts';
import type { ContainerTaskManager } from '../../../core/containerTasks/containerTaskManager.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import { permissionDenied } from '../../../core/terminals/owners.ts';
import { isAbsolutePath } from '../../../core/text.ts';
import { parseContainerTaskManifest } from '../../../protocol/containerTaskManifest.ts';
import {
  ContainerTaskServiceDefinition,
  type Task,
} from '../../../protocol/gen/containertask/v1/containertask.ts';
import { type CallContext, implement, type ServiceImplementation } from '../rpcHandlers.ts';
import { taskRecord } from './containerTaskRecords.ts';
import { watchTasks } from './containerTaskWatch.ts';
import { checkMayChange } from './sessionView.ts';
import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import { required } from './values.ts';

/**
 * Container tasks over gRPC. An agent starts and changes only those of sessions that it owns, and agrees to nothing in
 * a person's place; everyone may look.
 */
export function containerTaskService(orchestrator: Orchestrator): ServiceImplementation {
  const { runs, sessions } = orchestrator;

  const manager = (): ContainerTaskManager => orchestrator.containerTasks ?? noTasks();
  const record = (task: ContainerTask): Task =>
    taskRecord(seenContainerTask(task, task.runId === undefined ? undefined : runs.find(task.runId)));
  const find = (id: string): ContainerTask => manager().get(required(id, 'task_id'));
  const findOwn = (taskId: string, call: CallContext): string => {
    const { id, sessionId } = find(taskId);
    const session = sessions.find(sessionId);
    if (session !== undefined) checkMayChange(session, call);
    return id;
  };

  return implement(ContainerTaskServiceDefinition, {
    startTask: async ({ sessionId, manifest, folder, isAgreed }, call) => {
      const session = sessions.get(required(sessionId, 'session_id'));
      checkMayChange(session, call);
      if (isAgreed && call.principal !== null) throw permissionDenied(call.principal, "a person's agreement");
      if (manifest === undefined) throw invalidRequest('manifest is required');
      const base = given(folder) ?? session.cwd;
      if (!isAbsolutePath(base)) throw invalidRequest(`folder must be absolute: ${base}`);
      const parsed = parseContainerTaskManifest(manifest, (path) => resolve(base, path));
      // Its id may be that of a task that has ended, in another session.
      const known = manager().find(parsed.id);
      if (known !== undefined) findOwn(known.id, call);
      return { task: record(await manager().start({ manifest: parsed, sessionId: session.id, isAgreed })) };
    },
    getTask: ({ taskId }) => ({ task: record(find(taskId)) }),
    listTasks: ({ sessionId }) => ({
      tasks: manager()
        .list({ sessionId: given(sessionId) })
        .map(record),
    }),
    stopTask: async ({ taskId }, call) => {
      const id = findOwn(taskId, call);
      await manager().stop(id);
      return { task: record(await manager().waitForEnd(id, call.signal)) };
    },
    retryTask: async ({ taskId }, call) => ({
      task: record(await manager().retry(findOwn(taskId, call))),
    }),
    removeTask: async ({ taskId }, call) => {
      await manager().remove(findOwn(taskId, call));
      return {};
    },
    waitForEnd: async ({ taskId }, { signal }) => ({
      task: record(await manager().waitForEnd(find(taskId).id, signal)),
    }),
    watchTasks: (request, call) => watchTasks(orchestrator, manager(), record, request, call),
  });
}

function noTasks(): never {
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'invalid_request',
    'This orchestrator runs no container tasks.',
  );
}
