import {
  ContainerHealth,
  ContainerState,
  ExitReason,
  MountType,
  OutputStream,
  Protocol,
  RestartMode,
} from './gen/container/v1/container.ts';
import { NotificationLevel, TaskState } from './gen/containertask/v1/containertask.ts';

/** The words of the core for the numbers of `container.v1` and `containertask.v1`, for both ends of the wire. */

export const containerStates = {
  created: ContainerState.CONTAINER_STATE_CREATED,
  running: ContainerState.CONTAINER_STATE_RUNNING,
  paused: ContainerState.CONTAINER_STATE_PAUSED,
  restarting: ContainerState.CONTAINER_STATE_RESTARTING,
  exited: ContainerState.CONTAINER_STATE_EXITED,
  removing: ContainerState.CONTAINER_STATE_REMOVING,
  unknown: ContainerState.CONTAINER_STATE_UNKNOWN,
} as const;

export const containerHealths = {
  none: ContainerHealth.CONTAINER_HEALTH_UNSPECIFIED,
  starting: ContainerHealth.CONTAINER_HEALTH_STARTING,
  healthy: ContainerHealth.CONTAINER_HEALTH_HEALTHY,
  unhealthy: ContainerHealth.CONTAINER_HEALTH_UNHEALTHY,
} as const;

export const exitReasons = {
  exited: ExitReason.EXIT_REASON_EXITED,
  stopped: ExitReason.EXIT_REASON_STOPPED,
  killed: ExitReason.EXIT_REASON_KILLED,
  out_of_memory: ExitReason.EXIT_REASON_OUT_OF_MEMORY,
  start_failed: ExitReason.EXIT_REASON_START_FAILED,
  lost: ExitReason.EXIT_REASON_LOST,
} as const;

export const mountTypes = {
  bind: MountType.MOUNT_TYPE_BIND,
  volume: MountType.MOUNT_TYPE_VOLUME,
  tmpfs: MountType.MOUNT_TYPE_TMPFS,
} as const;

export const protocols = { tcp: Protocol.PROTOCOL_TCP, udp: Protocol.PROTOCOL_UDP } as const;

export const restartModes = {
  no: RestartMode.RESTART_MODE_UNSPECIFIED,
  'on-failure': RestartMode.RESTART_MODE_ON_FAILURE,
  always: RestartMode.RESTART_MODE_ALWAYS,
  'unless-stopped': RestartMode.RESTART_MODE_UNLESS_STOPPED,
} as const;

export const outputStreams = {
  stdout: OutputStream.OUTPUT_STREAM_STDOUT,
  stderr: OutputStream.OUTPUT_STREAM_STDERR,
} as const;

export const taskStates = {
  running: TaskState.TASK_STATE_RUNNING,
  waiting: TaskState.TASK_STATE_WAITING,
  stopped: TaskState.TASK_STATE_STOPPED,
  succeeded: TaskState.TASK_STATE_SUCCEEDED,
  failed: TaskState.TASK_STATE_FAILED,
} as const;

export const notificationLevels = {
  Info: NotificationLevel.NOTIFICATION_LEVEL_INFO,
  Warn: NotificationLevel.NOTIFICATION_LEVEL_WARN,
  Error: NotificationLevel.NOTIFICATION_LEVEL_ERROR,
} as const;

/** By number: `invert(containerStates)[1]` is `created`. */
export function invert<W extends string>(numbers: Readonly<Record<W, number>>): Readonly<Record<number, W>> {
  const words: Record<number, W> = {};
  for (const word in numbers) words[numbers[word]] = word;
  return words;
}
