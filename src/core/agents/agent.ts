import type { ResourceLimits, ResourceUsage } from '../resources.ts';

/** A program that does tasks and has registered for it. Its record outlives the core; its stream does not. */
export interface Agent {
  /** 32 hex characters. */
  readonly id: string;
  /** Not unique. */
  readonly name: string;
  readonly type: AgentType;
  /** `lost`: no sign of life for longer than the limit. The next one brings it back. */
  readonly state: 'online' | 'lost';
  readonly version: string;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly owner: string;
  readonly tags: readonly string[];
  readonly hostname: string;
  /** As the agent says it. */
  readonly pid: string;
  readonly capabilities: AgentCapabilities;
  /** Milliseconds since the epoch. */
  readonly registeredAt: number;
  readonly lostAt?: number | undefined;
}

export type AgentType = 'orchestrator' | 'gateway' | 'worker' | 'tool' | 'monitor' | 'unspecified';

export interface AgentCapabilities {
  /** What kinds of task it takes: the capabilities by which tasks find it. */
  readonly tasks: readonly string[];
  readonly tools: readonly string[];
  /** 1 or more. */
  readonly maxConcurrentTasks: number;
  readonly resourceLimits?: ResourceLimits | undefined;
  readonly supportsStreaming: boolean;
  readonly supportsCancellation: boolean;
  readonly protocols: readonly string[];
}

export interface RegisterAgentRequest {
  /** 1 to 120 characters. */
  readonly name: string;
  readonly type?: AgentType | undefined;
  readonly version?: string | undefined;
  readonly description?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly owner?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly hostname?: string | undefined;
  readonly pid?: string | undefined;
  /** `maxConcurrentTasks` of 0 or missing means 10. */
  readonly capabilities?: Partial<AgentCapabilities> | undefined;
}

/** An agent as it is right now. */
export interface AgentStatus {
  readonly agent: Agent;
  readonly state: 'idle' | 'busy' | 'lost';
  /** Ids of the tasks that it has, the oldest first. */
  readonly activeTasks: readonly string[];
  /** Milliseconds since the epoch. Of a former core's agents not before this core's start. */
  readonly lastSeenAt: number;
  /** As it last reported. */
  readonly resources?: ResourceUsage | undefined;
  /** Whether a stream to it is open. */
  readonly isConnected: boolean;
}

export interface AgentFilter {
  readonly name?: string | undefined;
  readonly state?: Agent['state'] | undefined;
  /** Every pair must match. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly capability?: string | undefined;
}
