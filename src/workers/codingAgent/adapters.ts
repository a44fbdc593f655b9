import type { CodingAgent } from '../../core/runs/codingAgents.ts';
import type { AgentAdapter } from './agentAdapter.ts';
import { claudeCode } from './claudeCode.ts';
import { codex } from './codex.ts';
import { gemini } from './gemini.ts';
import { opencode } from './opencode.ts';

export const adapters: Readonly<Record<CodingAgent, AgentAdapter>> = {
  'claude-code': claudeCode,
  codex,
  gemini,
  opencode,
};
