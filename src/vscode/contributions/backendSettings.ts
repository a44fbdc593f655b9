import { settingIds as s } from './ids.ts';
import type { SettingGroup } from './settingSchema.ts';

export const backends: SettingGroup = {
  [s.runBackends]: {
    type: 'array',
    items: {
      type: 'object',
      required: ['name', 'url'],
      properties: {
        name: { type: 'string', description: 'What it is called in the run panel.' },
        url: { type: 'string', description: 'Address of the server, in front of /orchestrate/stream.' },
        headers: {
          type: 'object',
          additionalProperties: { type: 'string' },
          description: 'Sent with each request. No secrets: everybody who sees the settings sees them.',
        },
        secretHeaders: {
          type: 'array',
          items: { type: 'string' },
          description: 'Headers whose values are in the secret storage; "Add Run Backend…" asks for them.',
        },
      },
    },
    default: [],
    scope: 'application',
    order: 20,
    markdownDescription:
      'Servers of `/orchestrate/stream` that runs can be sent to. **Orchestrator: Add Run Backend…** adds one, and keeps its token in the secret storage.',
  },
};
