import { engineTypes } from './runRequest.ts';

/**
 * `GET /config`: the contract's defaults (contract 004, section 3), for clients that build their forms from them, with
 * ours where they differ: without an engine type it is the shell, and nothing here takes a model for granted.
 */
export const orchestrateConfig = {
  controller: { base_url: null, host: null, port: null, timeout: 30 },
  worker: {
    engine_params: {
      engine_type: 'shell',
      model: null,
      reasoning_effort: 'medium',
      reasoning_summary: 'auto',
      max_output_tokens: 6_500,
    },
    max_steps: 50,
    max_trajectory_length: 1,
    enable_reflection: true,
    post_action_worker_delay: 1.5,
  },
  grounding: {
    grounding_width: 1_920,
    grounding_height: 1_080,
    code_agent_budget: 20,
    grounding_base_url: null,
    grounding_timeout: 10,
    grounding_max_retries: 3,
    grounding_api_key: null,
    grounding_system_prompt: null,
  },
  platform: null,
  enable_code_execution: false,
  tool_constraints: null,
  /** Ours. */
  engine_types: engineTypes,
  session_id: null,
  cwd: null,
  timeout_ms: null,
  cancel_on_disconnect: false,
  budget: { max_tokens: null, max_cost_usd: null },
} as const;
