import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { claudeCommandLine, mcpConfiguration } from './mcpConfiguration.ts';

const program = {
  node: '/opt/My Editor/code',
  cli: "/home/anna/it's here/dist/cli.js",
  stateDir: '/home/anna/$HOME/state',
  isEditor: true,
};

describe('the configuration for other MCP clients', () => {
  it('is what most of them read', () => {
    expect(mcpConfiguration({ ...program, isEditor: false })).toEqual({
      mcpServers: {
        orchestrator: { command: program.node, args: [program.cli, 'mcp', '--state-dir', program.stateDir] },
      },
    });
    expect(mcpConfiguration(program).mcpServers['orchestrator']?.env).toEqual({ ELECTRON_RUN_AS_NODE: '1' });
  });

  it('comes through a shell as it is, blanks, quotes and dollars too', () => {
    const line = claudeCommandLine(program).replace(/^claude/, 'printf "%s\\n"');
    const words = execFileSync('/bin/sh', ['-c', line], { encoding: 'utf8' }).trimEnd().split('\n');
    expect(words).toEqual([
      'mcp',
      'add',
      'orchestrator',
      '-e',
      'ELECTRON_RUN_AS_NODE=1',
      '--',
      program.node,
      program.cli,
      'mcp',
      '--state-dir',
      program.stateDir,
    ]);
  });
});
