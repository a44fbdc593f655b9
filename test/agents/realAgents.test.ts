// The real coding agents as runs, against a model on loopback: `npm run agents`. Not part of `npm test`, because they
// are 1 GB together; what they print there is replayed by test/integration/codingAgents.test.ts.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codingAgents, type CodingAgent } from '../../src/core/runs/codingAgents.ts';
import type { RunRequest } from '../../src/core/runs/run.ts';
import { buildProduct } from '../integration/cliHarness.ts';
import { HostFixture } from '../integration/processHostHarness.ts';
import { startRealCore } from '../integration/realCore.ts';
import { startFakeModel } from '../harness/fakeModel.ts';
import { repo } from '../harness/paths.ts';

interface RealAgent {
  readonly package: string;
  /** A tool of its own, called so that it has something to tell. */
  readonly tool: { readonly name: string; readonly input: unknown };
  /** Makes it use the model at `url`. @returns its environment. */
  configure(home: string, url: string): Readonly<Record<string, string>>;
}

function writeConfig(home: string, path: string, text: string): void {
  mkdirSync(join(home, path, '..'), { recursive: true });
  writeFileSync(join(home, path), text);
}

const agents: Readonly<Record<CodingAgent, RealAgent>> = {
  'claude-code': {
    package: '@anthropic-ai/claude-code@2.1.197',
    tool: { name: 'Bash', input: { command: 'echo hello from a tool', description: 'greet' } },
    configure: (_home, url) => ({
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_API_KEY: 'x',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    }),
  },
  codex: {
    package: '@openai/codex@0.169.0',
    tool: { name: 'exec_command', input: { cmd: 'echo hello from a tool', yield_time_ms: 1_000 } },
    configure: (home, url) => {
      const provider = `name = "fake"\nbase_url = "${url}/v1"\nwire_api = "responses"\nenv_key = "FAKE_KEY"`;
      const config = `model = "fake"\nmodel_provider = "fake"\n[model_providers.fake]\n${provider}\n`;
      writeConfig(home, '.codex/config.toml', config);
      return { FAKE_KEY: 'x' };
    },
  },
  gemini: {
    package: '@google/gemini-cli@0.61.0',
    tool: { name: 'list_directory', input: { dir_path: '.' } },
    configure: (home, url) => {
      const settings = {
        security: { auth: { selectedType: 'gemini-api-key' }, folderTrust: { enabled: false } },
      };
      writeConfig(home, '.gemini/settings.json', JSON.stringify(settings));
      return { GEMINI_API_KEY: 'x', GOOGLE_GEMINI_BASE_URL: url };
    },
  },
  opencode: {
    package: 'opencode-ai@1.18.33',
    tool: { name: 'read', input: { filePath: 'missing.txt' } },
    configure: (home, url) => {
      const options = { baseURL: `${url}/v1`, apiKey: 'x' };
      const model = 'anthropic/claude-sonnet-4-5';
      const config = { model, autoupdate: false, provider: { anthropic: { options } } };
      writeConfig(home, '.config/opencode/opencode.json', JSON.stringify(config));
      return {};
    },
  },
};

/** Kept from one time to the next. @returns the folder of its programs. */
function install(agent: RealAgent): string {
  const folder = join(repo, '.cache/agents', agent.package.replace(/[@/]+/g, '-'));
  if (!existsSync(join(folder, 'node_modules/.bin'))) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{"private":true}');
    execFileSync('npm', ['install', '--no-audit', '--no-fund', agent.package], {
      cwd: folder,
      stdio: 'pipe',
    });
  }
  return join(folder, 'node_modules/.bin');
}

let dist: string;
beforeAll(() => {
  dist = buildProduct();
});
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});

describe.each(Object.keys(agents) as CodingAgent[])('the real %s', (engine) => {
  it('says, does, and goes on with its conversation', async () => {
    const agent = agents[engine];
    const bin = install(agent);
    expect(existsSync(join(bin, codingAgents[engine].program))).toBe(true);
    const fixture = new HostFixture(dist);
    await using model = await startFakeModel();
    await using real = await startRealCore(fixture);
    const { core, home } = real;
    const env = {
      ...agent.configure(home, model.url),
      PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`,
    };
    const { id: sessionId } = await core.sessions.create({ type: engine, cwd: home });
    const run = async (task: string, more: Partial<RunRequest> = {}) =>
      core.runs.waitForEnd((await core.runs.start({ task, sessionId, env, ...more })).id);
    try {
      model.say({ text: ['I ', 'look.'], tool: agent.tool }, { text: ['All done.'] });
      const first = await run('Say hello with a tool');
      expect(first.error).toBeUndefined();
      expect(first).toMatchObject({ status: 'succeeded', usage: { outputTokens: 40 } });
      expect(first.result?.steps[0]?.execution_result['output_tail']).toMatch(/All done\.$/);
      const types = core.events.read({ after: 0, limit: 10_000, runId: first.id }).map(({ type }) => type);
      expect(types).toContain('mcp.call.started');
      expect(types.some((type) => type === 'mcp.call.completed' || type === 'mcp.call.failed')).toBe(true);

      model.say({ text: ['Again.'] });
      const second = await run('Once more');
      expect(second).toMatchObject({ status: 'succeeded', conversation: first.conversation });
      expect(second.usage).toMatchObject({ inputTokens: 100, outputTokens: 20 });
      expect(JSON.stringify(model.requests.at(-1))).toContain('Say hello with a tool');
    } finally {
      await fixture.dispose();
    }
  });
});

it('claude-code does not write what nobody has allowed, and does what somebody has', async () => {
  const agent = agents['claude-code'];
  const fixture = new HostFixture(dist);
  await using model = await startFakeModel();
  await using real = await startRealCore(fixture);
  const { core, home } = real;
  const env = {
    ...agent.configure(home, model.url),
    PATH: `${install(agent)}${delimiter}${process.env['PATH'] ?? ''}`,
  };
  const file = join(home, 'written.txt');
  const tool = { name: 'Write', input: { file_path: file, content: 'hello' } };
  const run = async (permissionMode: string) => {
    model.say({ tool }, { text: ['Done.'] });
    const request = { task: 'Write', engine: 'claude-code', env, cwd: home, metadata: { permissionMode } };
    return core.runs.waitForEnd((await core.runs.start(request)).id);
  };
  try {
    expect((await run('default')).result?.steps[0]?.info).toMatchObject({ denied: ['Write'] });
    expect(existsSync(file)).toBe(false);
    expect((await run('acceptEdits')).status).toBe('succeeded');
    expect(readFileSync(file, 'utf8')).toBe('hello');
  } finally {
    await fixture.dispose();
  }
});
