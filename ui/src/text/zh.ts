import type { Text } from './en';

export const zh: Text = {
  overall: {
    ready: { title: '就绪', detail: '一切已连接。' },
    connecting: { title: '正在连接', detail: '请稍候。' },
    needs_you: { title: '需要你处理', detail: '下方有事项等待你处理。' },
    trouble: { title: '遇到问题', detail: '将自动重试。' },
    offline: { title: '离线', detail: '你已断开连接。' },
    paused: { title: '已暂停', detail: '恢复之前，智能体无法使用此计算机。' },
    no_gateways: { title: '还没有网关', detail: '先与一个网关配对。' },
  },
  waitingForCompanion: '正在等待 Companion',
  role: {
    operator: { name: '操作员', purpose: '聊天、状态和审批' },
    node: { name: '节点', purpose: '让智能体使用此计算机' },
  },
  state: {
    off: () => '已关闭',
    connecting: () => '正在连接',
    ready: () => '就绪',
    waiting_for_approval: (since) => `自 ${since} 起等待批准`,
    retrying: () => '未连接',
    blocked: (since) => `自 ${since} 起停止`,
  },
  retryIn: (seconds) => {
    if (seconds === 0) return '正在重试';
    return seconds < 60 ? `${seconds} 秒后重试` : `${Math.ceil(seconds / 60)} 分钟后重试`;
  },
  request: (id) => `请求 ${id}`,
  gateways: '网关',
  gatewayVersion: (version) => `OpenClaw ${version}`,
  primary: '默认',
  local: '在此计算机上',
  commands: {
    none: '未提供命令',
    usable: (usable, declared) =>
      usable === declared ? `${declared} 个命令可用` : `${declared} 个命令中有 ${usable} 个可用`,
    states: { usable: '可用', approved: '已批准，未连接', waiting: '未批准' },
  },
  problem: {
    list: '问题',
    about: { operator: '操作员', node: '节点' },
  },
  copy: '复制',
  copied: '已复制',
  copyLabel: (command) => `复制命令 ${command}`,
  reconnect: '重新连接',
  reconnecting: '正在重新连接',
  reconnectLabel: (gateway) => `重新连接 ${gateway}`,
  localGateway: {
    title: '此计算机上的网关',
    state: { initializing: '正在设置', ready: '就绪', restarting: '正在重新启动', failed: '无法启动' },
  },
  pairing: {
    make: '在网关所在的计算机上生成设置码：',
    paste: '在此计算机上运行以下命令并粘贴设置码：',
    note: '设置码十分钟内有效，只能用于一台计算机。',
  },
  secretStore: {
    keyring: '令牌在系统密钥环中',
    file: '令牌在只有你能读取的文件中',
    memory: '令牌在退出后即被遗忘',
    unusable: {
      title: '无法保存令牌',
      keyring: '目前无法使用系统密钥环。',
      file: '目前无法使用令牌文件。',
      memory: '目前没有可保存令牌的位置。',
    },
  },
};
