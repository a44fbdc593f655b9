import type { LanguageModel } from '../models/languageModel.ts';
import type { ModelProvider } from '../models/modelProvider.ts';

/** Language models and the keys to them, as this machine has them set up. */
export interface Models {
  /** As they are set up now. Error: `invalid_request` where a person's own are wrong. */
  providers(): Promise<readonly ModelProvider[]>;
  /** The provider, or `provider/model`, that does what names none; undefined where none was chosen. */
  defaultModel(): Promise<string | undefined>;
  /** A secret: never stored, logged, or put into an event. Undefined where there is none. */
  keyOf(provider: ModelProvider): Promise<string | undefined>;
  /** To be asked in this process. */
  open(provider: ModelProvider, model: string, key: string | undefined): LanguageModel;
  /** The provider's own names of its models. Errors: those of `LanguageModel.answer`. */
  list(provider: ModelProvider, key: string | undefined, signal: AbortSignal): Promise<readonly string[]>;
}

/** Models that only the process of this core can ask: VS Code's own. */
export interface WindowModels {
  /** The model of this name, the first one where none is named. Error: `model_not_found`. */
  open(name: string | undefined): Promise<WindowModel>;
}

export interface WindowModel extends LanguageModel {
  /** What it takes in, in tokens. */
  readonly contextTokens: number;
}
