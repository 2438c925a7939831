import type { HookName } from '../core/hooks.ts';
import { contracts } from './contract/contracts.ts';
import { hookTypes } from './contract/type-text.ts';

export const hookLanguages = ['ts', 'js', 'php', 'python'] as const;
export type HookLanguage = (typeof hookLanguages)[number];

export interface NewHook {
  readonly fileName: string;
  readonly text: string;
  readonly isExecutable: boolean;
}

/** A hook to begin with: it answers what the core would do. */
export function writeNewHook(name: HookName, language: HookLanguage): NewHook {
  const { purpose, answer } = contracts[name];
  const fields = Object.keys(answer.shape);
  const isWrapped = name === 'process_originate_params';
  if (language === 'php') {
    const data = name === 'need_registration' ? "array('result' => true)" : '$data';
    return {
      fileName: `${name}.php`,
      isExecutable: false,
      text: `<?php
// ${purpose}
// $params is what the hook gets; see: ringledger hook schema ${name}

$data = ${name === 'need_registration' ? 'array()' : isWrapped ? "$params['params']" : '$params'};
unset($data['call_full'], $data['request_data']);

return array('state' => 'success', 'data' => ${data});
`,
    };
  }
  if (language === 'python') {
    const data = name === 'need_registration' ? '{"result": True}' : 'data';
    const given = isWrapped ? 'params["params"]' : 'params';
    return {
      fileName: `${name}.py`,
      isExecutable: true,
      text: `#!/usr/bin/env python3
"""${purpose}"""
import json
import sys

# See: ringledger hook schema ${name}
params = json.load(sys.stdin)
${name === 'need_registration' ? '' : `data = {key: ${given}[key] for key in ${JSON.stringify(fields)} if key in ${given}}\n`}
json.dump({"state": "success", "data": ${data}}, sys.stdout)
`,
    };
  }
  const data = name === 'need_registration' ? ' result: true ' : '';
  const hints = fields.length === 0 || name === 'need_registration' ? '' : ` /* ${fields.join(', ')} */ `;
  const isTyped = language === 'ts';
  return {
    fileName: `${name}.${language}`,
    isExecutable: false,
    text: `// ${purpose}
// What is left out of the data stays as it was.
${isTyped ? `\n${hookTypes(name)}\n` : `// See: ringledger hook schema ${name}\n`}
export default async function ${toCamel(name)}(${isTyped ? 'input: Input' : 'input'})${isTyped ? ': Promise<Answer>' : ''} {
  return { state: 'success', data: {${data}${hints}} };
}
`,
  };
}

const toCamel = (name: string) => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
