import { html, nothing } from 'lit';
import type { TemplateResult } from 'lit';
import { localBackend } from '../../../src/protocol/runOptions.ts';
import type { EngineOption, RunChoices, RunOptions } from '../../../src/protocol/runOptions.ts';
import { visible } from '../model/visible.ts';

export interface Overrides {
  readonly engine: EngineOption;
  readonly options: RunOptions;
  readonly choices: RunChoices;
  readonly change: (part: RunChoices) => void;
}

/** What may be set for one run over the defaults: only what means something to its engine. */
export function overridesForm({ engine, options, choices, change }: Overrides): TemplateResult {
  const { uses } = engine;
  const { models, backends } = options;
  const modelValue = choices.model === undefined ? '' : `${choices.provider ?? ''} ${choices.model}`;
  return html`<fieldset class="picker overrides" aria-label="Overrides for this run">
    ${
      uses.includes('model')
        ? html`${select(
            'Model',
            modelValue,
            [
              ['', 'Default'],
              ...models.map(
                (model): Choice => [
                  `${model.provider} ${model.model}`,
                  `${model.title} (${model.providerName})`,
                ],
              ),
            ],
            (value) => {
              const [provider, ...name] = value.split(' ');
              change(
                value === ''
                  ? { provider: undefined, model: undefined }
                  : { provider, model: name.join(' ') },
              );
            },
          )}
          ${select(
            'Reasoning',
            choices.reasoningEffort ?? '',
            [
              ['', 'Default'],
              ['low', 'Low'],
              ['medium', 'Medium'],
              ['high', 'High'],
            ],
            (value) => change({ reasoningEffort: effortOf(value) }),
          )}
          ${number('Steps at most', choices.maxSteps, { min: 1, max: 1_000, step: 1, hint: '50' }, (maxSteps) => change({ maxSteps }))}
          ${number('Tokens at most', choices.maxTokens, { min: 1, step: 1, hint: 'no limit' }, (maxTokens) => change({ maxTokens }))}
          ${number('Cost at most ($)', choices.maxCostUsd, { min: 0, step: 0.01, hint: 'no limit' }, (maxCostUsd) => change({ maxCostUsd }))}`
        : nothing
    }
    ${
      uses.includes('limits')
        ? number(
            'Time limit (min)',
            choices.timeoutMinutes,
            { min: 0, step: 1, hint: 'as set' },
            (timeoutMinutes) => change({ timeoutMinutes }),
          )
        : nothing
    }
    ${
      backends.length > 1
        ? select(
            'Backend',
            choices.backend ?? localBackend,
            backends.map(({ id, title }): Choice => [id, title]),
            (backend) => change({ backend: backend === localBackend ? undefined : backend }),
          )
        : nothing
    }
    ${uses.includes('code') ? check('May run code', choices.codeExecution, (codeExecution) => change({ codeExecution })) : nothing}
    ${uses.includes('model') ? check('Reflects before each step', choices.reflects, (reflects) => change({ reflects })) : nothing}
  </fieldset>`;
}

/** How many of them are set. */
export function overrideCount({ uses }: EngineOption, choices: RunChoices): number {
  const { model, reasoningEffort, maxSteps, maxTokens, maxCostUsd, reflects } = choices;
  const set = [
    ...(uses.includes('model') ? [model, reasoningEffort, maxSteps, maxTokens, maxCostUsd, reflects] : []),
    ...(uses.includes('limits') ? [choices.timeoutMinutes] : []),
    ...(uses.includes('code') ? [choices.codeExecution] : []),
    choices.backend,
  ];
  return set.filter((value) => value !== undefined).length;
}

type Choice = readonly [value: string, label: string];

function effortOf(value: string): RunChoices['reasoningEffort'] {
  return value === 'low' || value === 'medium' || value === 'high' ? value : undefined;
}

function select(
  label: string,
  value: string,
  choices: readonly Choice[],
  change: (value: string) => void,
): TemplateResult {
  return html`<label class="override"
    ><span class="task-label">${label}</span>
    <select class="field" @change=${(event: Event) => change((event.target as HTMLSelectElement).value)}>
      ${choices.map(([id, text]) => html`<option value=${id} ?selected=${id === value}>${visible(text)}</option>`)}
    </select></label
  >`;
}

function number(
  label: string,
  value: number | undefined,
  limits: { readonly min: number; readonly max?: number; readonly step: number; readonly hint: string },
  change: (value: number | undefined) => void,
): TemplateResult {
  const onInput = (event: Event): void => {
    const field = event.target as HTMLInputElement;
    change(field.value === '' || !field.validity.valid ? undefined : field.valueAsNumber);
  };
  return html`<label class="override"
    ><span class="task-label">${label}</span>
    <input
      class="field"
      type="number"
      min=${limits.min}
      max=${limits.max ?? nothing}
      step=${limits.step === 0.01 ? 'any' : limits.step}
      placeholder=${limits.hint}
      .value=${value === undefined ? '' : String(value)}
      @change=${onInput}
  /></label>`;
}

function check(
  label: string,
  value: boolean | undefined,
  change: (value: boolean | undefined) => void,
): TemplateResult {
  return html`<label class="choice-line override"
    ><input
      type="checkbox"
      .checked=${value === true}
      @change=${(event: Event) => change((event.target as HTMLInputElement).checked ? true : undefined)}
    />${label}</label
  >`;
}
