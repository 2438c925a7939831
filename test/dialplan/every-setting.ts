/** Settings that use every template and every branch of it. */
export const everySetting = {
  agi: { servers: ['127.0.0.1:4573', 'pbx-2.example.org:4573', '[::1]:4573'], waitMs: 1250 },
  extensions: [
    { extension: '101', mailbox: '101@default' },
    { extension: '102', forward: { to: '+79161110002', when: 'always' } },
    { extension: '103', forward: { to: '89161110003', trunk: 'second', ringSeconds: 17 } },
    { extension: '104', device: 'SIP/desk-104' },
    { extension: '105', device: 'PJSIP/{extension}-phone' },
  ],
  trunks: [
    {
      name: 'my-provider',
      device: 'PJSIP/{number}@provider',
      callerId: '+74951234567',
      rewrite: [
        { from: '+7', to: '8' },
        { from: '+', to: '' },
      ],
    },
    { name: 'second', device: 'PJSIP/second/sip:{number}@10.0.0.1:5060' },
  ],
  recording: { exceptExtensions: ['104', '105'], format: 'WAV', onlyTalk: false },
  inbound: {
    numbers: [
      { number: '7000001', trunk: 'my-provider', defaultRoute: 'schedule:office' },
      { number: '_70000[1-3]X', distribute: false, record: false, defaultRoute: 'voicemail:101@default' },
      { number: '+74950000000', defaultRoute: 'playback:custom/closed' },
      { number: 's', defaultRoute: 'hangup' },
      { number: '7000002', defaultRoute: 'context:ringledger-groups,sales,1' },
    ],
    defaultRoute: 'group:sales',
  },
  outbound: [
    { pattern: '_8XXXXXXXXXX', strip: 1, prepend: '+7', trunks: ['my-provider', 'second'] },
    { pattern: '112', trunks: ['second'], record: false },
  ],
  clickToCall: {
    trunk: 'second',
    autoAnswer: { header: 'Alert-Info', value: '<http://127.0.0.1>;info=alert-autoanswer;delay=0' },
  },
  groups: [
    { name: 'sales', number: '600', members: ['101', '102', '103', '104', '105', '106'], then: 'group:one-by-one' },
    { name: 'one-by-one', strategy: 'sequential', members: ['101', '102'], then: 'queue:support' },
    { name: 'all', members: Array.from({ length: 50 }, (_, index) => String(200 + index)), then: 'voicemail:101' },
  ],
  schedules: [
    {
      name: 'office',
      timeZone: 'Asia/Yekaterinburg',
      open: [
        { days: 'mon-fri', from: '09:00', to: '18:00' },
        { days: 'sat', from: '10:00', to: '24:00' },
      ],
      holidays: ['12-31', '2027-01-01'],
      whenOpen: 'menu:main',
      whenClosed: 'playback:custom/closed',
    },
  ],
  menus: [
    {
      name: 'main',
      greeting: 'custom/hello',
      choices: { '1': 'group:sales', '2': 'menu:main', '0': 'extension:101', '*': 'hangup' },
      canDialExtensions: true,
      otherwise: 'group:all',
    },
  ],
  queues: [{ name: 'support', waitSeconds: 120, then: 'voicemail:101' }],
};
