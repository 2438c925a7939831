import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { until } from '../support/until.ts';
import { startBrowserTests } from './browser-tests.ts';
import { runSomeHooks, type SeededService } from './seeded-service.ts';

describe('hooks in the web interface', function () {
  this.timeout(60_000);
  let service: SeededService;
  let page: Page;
  const { open, axeFaults } = startBrowserTests((opened) => ({ service, page } = opened));
  const editor = () => page.getByRole('textbox', { name: 'Code of the hook' });
  const type = async (text: string) => {
    await editor().click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText(text);
  };
  const save = () => page.getByRole('button', { name: 'Save', exact: true }).click();
  const file = (name: string) => join(service.folder, 'hook-files', name);

  it('list all 13 places, those with a file first', async () => {
    await open('hooks');
    const rows = page.locator('tbody tr.line');
    await rows.first().getByText('customize_autodistribution').waitFor();
    assert.equal(await rows.count(), 13);
    await rows.first().getByText('JavaScript').waitFor();
    assert.equal(await page.getByText('The standard behaviour', { exact: true }).count(), 12);
  });

  it('are made from a beginning that changes nothing, completed, tried before they are saved, and saved', async () => {
    await open('hooks?hook=process_client_phone');
    await page.getByRole('button', { name: 'JavaScript' }).click();
    await editor().getByText('What is left out of the data stays as it was.').waitFor();
    await page.getByText('new', { exact: true }).waitFor();
    await type('export default ({ phone, call_full }) => {\n  return call_full.channel.from.');
    const offered = page.locator('.cm-tooltip-autocomplete li');
    await page.keyboard.press('Control+Space');
    await offered.first().waitFor();
    assert.deepEqual(await page.locator('.cm-completionLabel').allTextContents(), ['name', 'number']);
    await page.keyboard.press('Escape');
    await type("export default ({ phone }) => ({ state: 'success', data: { phone: phone.replace('+7', '8') } });\n");
    await page.getByRole('radio').nth(1).check();
    await page.getByRole('button', { name: 'Run this text' }).click();
    const report = page.locator('.report');
    await report.getByText('Changes something').waitFor();
    await report.getByRole('cell', { name: '89161110002', exact: true }).waitFor();
    await save();
    await page.getByText('Saved, and in force.').waitFor();
    assert.match(readFileSync(file('process_client_phone.js'), 'utf8'), /phone\.replace/);
    await page.getByText('In order').first().waitFor();
  });

  it('offer what the answer may hold, and the fields of PHP and Python', async () => {
    await open('hooks?hook=process_lead_creation_params');
    const labels = async () => {
      await page.keyboard.press('Control+Space');
      await page.locator('.cm-tooltip-autocomplete li').first().waitFor();
      const shown = await page.locator('.cm-completionLabel').allTextContents();
      await page.keyboard.press('Escape');
      return shown;
    };
    for (const [language, text, expected] of [
      ['JavaScript', "export default (event) => ({ state: 'success', data: { ", 'pipeline_id'],
      ['PHP', "<?php\n$a = $params['call_full']['channel']['", 'start_time'],
      ['Python', 'import json, sys\nevent = json.load(sys.stdin)\nevent["', 'status_id'],
    ] as const) {
      await page.getByRole('button', { name: language }).click();
      await editor().waitFor();
      await type(text);
      const shown = await labels();
      assert.ok(shown.includes(expected), `${language}: ${shown.join(', ')}`);
      await page.getByRole('button', { name: 'Discard' }).click();
    }
  });

  it('that do not load are not saved, and the line is shown', async () => {
    await open('hooks?hook=process_client_phone');
    const before = readFileSync(file('process_client_phone.js'), 'utf8');
    await editor().waitFor();
    await type('export default () => {\n  return { state: ; };\n};\n');
    await page.keyboard.press('Control+s');
    await page.getByRole('alert').getByText('Unexpected ";"').waitFor();
    const line = await page.locator('.cm-lint-marker-error').evaluate((marker) => {
      const { top } = (marker as unknown as { getBoundingClientRect(): { top: number } }).getBoundingClientRect();
      return top;
    });
    const second = await page.locator('.cm-lineNumbers .cm-gutterElement', { hasText: '2' }).first().boundingBox();
    assert.ok(Math.abs(line - second!.y) < 20, `${line} ${second!.y}`);
    assert.equal(readFileSync(file('process_client_phone.js'), 'utf8'), before);
    await page.getByRole('button', { name: 'Discard' }).click();
    await editor().getByText('phone.replace').waitFor();
  });

  it('lose no typed text when another screen is looked at, nor when somebody else changes the file', async () => {
    await open('hooks?hook=process_client_phone');
    await editor().waitFor();
    await type("export default () => ({ state: 'success', data: { phone: 'mine' } });\n");
    await page.getByRole('link', { name: 'Hooks', exact: true }).click();
    await page.getByRole('link', { name: 'process_client_phone' }).click();
    await editor().getByText("'mine'").waitFor();
    const theirs = "export default () => ({ state: 'success', data: { phone: 'theirs' } });\n";
    writeFileSync(file('process_client_phone.js'), theirs);
    await save();
    await page.getByRole('alert').getByText('was changed by somebody else meanwhile').waitFor();
    assert.equal(readFileSync(file('process_client_phone.js'), 'utf8'), theirs);
    await editor().getByText("'mine'").waitFor();
    await page.getByRole('button', { name: 'Save mine in its place' }).click();
    await page.getByText('Saved, and in force.').waitFor();
    assert.match(readFileSync(file('process_client_phone.js'), 'utf8'), /'mine'/);
  });

  it('have versions that are compared and restored', async () => {
    await open('hooks?hook=process_client_phone');
    await page.getByRole('button', { name: 'Versions' }).click();
    const versions = page.locator('.versions li');
    await versions.first().getByText('in the file now').waitFor();
    await versions.last().getByRole('button', { name: 'Difference' }).click();
    await versions.last().locator('.added', { hasText: 'phone.replace' }).waitFor();
    assert.deepEqual(await axeFaults(), []);
    await versions.last().getByRole('button', { name: 'Restore' }).click();
    await page.getByText('The version is in force again.').waitFor();
    await editor().getByText('phone.replace').waitFor();
    assert.match(readFileSync(file('process_client_phone.js'), 'utf8'), /phone\.replace/);
  });

  it('are taken out and their file is kept', async () => {
    await open('hooks?hook=process_client_phone');
    await page.getByRole('button', { name: 'Switch off' }).click();
    await page.getByRole('button', { name: 'TypeScript' }).waitFor();
    assert.match(readFileSync(file('process_client_phone.js.off'), 'utf8'), /phone\.replace/);
  });

  it('stand with each conversation for which they ran, and why they failed', async () => {
    await runSomeHooks(service);
    await open('calls');
    await page.locator('tr.line').first().click();
    const runs = page.locator('.hook-runs').first();
    await runs.locator('summary').click();
    await runs.getByText('1 changed something · 1 failed').waitFor();
    await runs.getByText('no list of couriers').waitFor();
    await runs.getByText('process_call_params').waitFor();
    assert.deepEqual(await axeFaults(), []);
  });

  it('show nothing serious to axe and never scroll sideways, light and dark, wide and narrow', async () => {
    const faults: string[] = [];
    for (const [theme, width] of [
      ['light', 1280],
      ['dark', 360],
    ] as const) {
      await page.setViewportSize({ width, height: 800 });
      await page.evaluate(`localStorage.setItem('ringledger.theme', '${theme}')`);
      for (const address of ['hooks', 'hooks?hook=process_call_params', 'hooks?hook=post_registration&crm=local']) {
        await open(address);
        await page.getByText('Loading …').first().waitFor({ state: 'hidden' });
        if (address.includes('call_params')) {
          await editor().waitFor();
          await page.getByRole('button', { name: 'Run', exact: true }).click();
          await page.locator('.report').waitFor();
        }
        faults.push(...(await axeFaults()).map((fault) => `${theme} ${address}: ${fault}`));
        if (await page.evaluate('document.documentElement.scrollWidth > innerWidth')) faults.push(`${address} is wide`);
      }
      await page.getByText('TypeScript').waitFor();
      await open('hooks?hook=process_call_params');
      await page.getByRole('button', { name: 'Fields' }).click();
      await page.getByText('call_full.channel.from.number', { exact: true }).waitFor();
      faults.push(...(await axeFaults()).map((fault) => `${theme} fields: ${fault}`));
    }
    await page.setViewportSize({ width: 1280, height: 860 });
    assert.deepEqual(faults, []);
  });

  it('load the editor only where a hook is opened', async () => {
    const loaded = new Set<string>();
    page.on('response', (response) => void loaded.add(response.url().split('/').at(-1)!));
    await open('hooks');
    await page.locator('tbody tr.line').nth(12).waitFor();
    assert.ok(![...loaded].some((name) => name.startsWith('hook-workbench')));
    await page.getByRole('link', { name: 'process_call_params' }).click();
    await editor().waitFor();
    await until(() => [...loaded].some((name) => name.startsWith('hook-workbench')));
  });
});
