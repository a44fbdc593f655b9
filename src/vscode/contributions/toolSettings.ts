import { settingIds as s } from './ids.ts';
import type { SettingGroup } from './settingSchema.ts';

export const tools: SettingGroup = {
  [s.toolsServers]: {
    type: 'object',
    default: {},
    scope: 'window',
    order: 1,
    markdownDescription:
      'MCP servers whose tools runs may use, by name, as in `mcp.json`: `{ "mail": { "command": "npx", "args": ["…"], "env": { "KEY": "${input:key}" } } }` or `{ "url": "https://…" }`; besides `aliases` (`{ "own_name": "gmail_send_email" }`) and `timeout` in milliseconds. A server of a workspace is asked about before it is started.',
  },
  [s.toolsUseVsCodeServers]: {
    type: 'boolean',
    default: true,
    scope: 'window',
    order: 2,
    markdownDescription:
      'Offer the MCP servers of your `mcp.json` and of `.vscode/mcp.json` in trusted folders too. Those of a folder are asked about before they are started.',
  },
  [s.toolsAllowed]: {
    type: 'array',
    items: { type: 'string', enum: ['terminal', 'container'] },
    default: [],
    scope: 'application',
    order: 3,
    markdownDescription:
      'What runs commands and may be used by every run, also by one that does not name it among its tools: `terminal`, `container`. Reading the files of the session is always offered.',
  },
};
