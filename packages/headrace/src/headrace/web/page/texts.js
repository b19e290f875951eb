/** The page's texts, in English and Chinese. `{…}` is replaced by a value. */

const TEXTS = {
  title: ["Headrace", "Headrace"],
  hello: ["What would you like to know?", "想了解什么？"],
  helloHint: [
    "Answers survive a reload: they run on the server until they are complete.",
    "回答在服务器上继续生成，刷新页面也不会丢失。",
  ],
  recovered: ["Recovered answer", "恢复的回答"],
  newChat: ["New chat", "新对话"],
  search: ["Search chats", "搜索对话"],
  noResults: ["Nothing found", "没有找到"],
  chats: ["Chats", "对话"],
  menu: ["Show or hide the chats", "显示或隐藏对话列表"],
  settings: ["Settings", "设置"],
  close: ["Close", "关闭"],
  send: ["Send", "发送"],
  stop: ["Stop", "停止"],
  message: ["Message", "输入消息"],
  model: ["Model", "模型"],
  noModel: ["No model", "无模型"],
  thinking: ["Thinking", "思考"],
  thinkingOn: ["Thinking on", "思考：开"],
  thinkingOff: ["Thinking off", "思考：关"],
  thinkingLevel: ["Thinking: {level}", "思考：{level}"],
  thinkingNow: ["Thinking… {seconds} s", "思考中… {seconds} 秒"],
  thought: ["Thought for {seconds} s", "思考了 {seconds} 秒"],
  thoughtSome: ["Thoughts", "思考过程"],
  waitingForTab: ["Other tabs are reading answers; this one follows.", "其他标签页正在接收回答，请稍候。"],
  queued: ["Waiting in the queue, position {position}", "正在排队，第 {position} 位"],
  prefill: ["Reading the prompt, {processed} of {total} tokens", "正在读取提示词，{processed} / {total} 个 token"],
  reconnect: ["The connection was lost. Trying again… ({attempt})", "连接中断，正在重试…（{attempt}）"],
  statusQueued: ["Waiting in the queue", "正在排队"],
  statusThinking: ["Thinking", "正在思考"],
  statusAnswering: ["Answering", "正在回答"],
  statusDone: ["Answer complete, {count} characters", "回答完成，共 {count} 个字符"],
  statusCalls: ["The model calls a tool", "模型正在调用工具"],
  statusStopped: ["Stopped", "已停止"],
  statusError: ["Error: {message}", "错误：{message}"],
  stopped: ["Stopped.", "已停止。"],
  length: ["The answer reached the maximum number of tokens.", "回答达到了最大 token 数。"],
  context: ["The model's context is full.", "模型的上下文已满。"],
  sensitive: ["The answer was withheld by a content filter.", "回答被内容过滤器拦截。"],
  failed: ["The answer is incomplete: {message}", "回答不完整：{message}"],
  lost: [
    "The server no longer has this answer. What was received is kept; generate it again to get a complete one.",
    "服务器上已没有这个回答。已收到的内容保留在此，可重新生成。",
  ],
  needsKey: ["The server needs an API key.", "服务器需要 API 密钥。"],
  retryLater: ["The server is busy. Try again in {seconds} s.", "服务器繁忙，请在 {seconds} 秒后重试。"],
  offline: ["The server cannot be reached. Your chats are still here.", "无法连接服务器。对话记录仍在本地。"],
  enterKey: ["Enter key", "输入密钥"],
  copy: ["Copy", "复制"],
  copied: ["Copied", "已复制"],
  regenerate: ["Generate again", "重新生成"],
  edit: ["Edit", "编辑"],
  save: ["Send", "发送"],
  cancel: ["Cancel", "取消"],
  remove: ["Delete", "删除"],
  removeAsk: ["Delete?", "删除？"],
  previous: ["Previous version", "上一个版本"],
  next: ["Next version", "下一个版本"],
  toBottom: ["To the end", "到末尾"],
  rename: ["Rename", "重命名"],
  statistics: [
    "{tokens} tokens · {rate} tokens/s · first after {first} s",
    "{tokens} tokens · {rate} tokens/秒 · 首字 {first} 秒",
  ],
  first: ["first after {first} s", "首字 {first} 秒"],
  speed: ["{count} pieces · {rate}/s · first after {first} s", "{count} 段 · {rate} 段/秒 · 首字 {first} 秒"],
  gaps: [
    "Gaps between pieces of the answer: median {median} ms, longest {longest} ms",
    "各段间隔：中位数 {median} 毫秒，最长 {longest} 毫秒",
  ],
  call: ["Tool call", "工具调用"],
  result: ["Result", "结果"],
  sendResult: ["Send result", "发送结果"],
  runTool: ["Run", "运行"],
  server: ["Server", "服务器"],
  apiKey: ["API key", "API 密钥"],
  apiKeyHint: ["Stored in this browser only.", "仅保存在此浏览器中。"],
  sampling: ["Sampling", "采样"],
  temperature: ["Temperature", "温度"],
  topP: ["Top p", "Top p"],
  maxTokens: ["Maximum tokens", "最大 token 数"],
  seed: ["Seed", "随机种子"],
  byModel: ["as the model", "模型默认"],
  systemPrompt: ["System prompt", "系统提示词"],
  tools: ["Tools", "工具"],
  demoTools: ["Offer demo tools: weather, calculator, clock", "提供演示工具：天气、计算器、时钟"],
  autoRun: ["Run them without asking", "自动运行"],
  toolStream: ["Stream the arguments of calls", "流式传输调用参数"],
  appearance: ["Appearance", "外观"],
  language: ["Language", "语言"],
  theme: ["Theme", "主题"],
  themeSystem: ["System", "跟随系统"],
  themeLight: ["Light", "浅色"],
  themeDark: ["Dark", "深色"],
  data: ["Data", "数据"],
  exportAll: ["Export all chats", "导出全部对话"],
  exportOne: ["Export this chat", "导出此对话"],
  importFile: ["Import…", "导入…"],
  imported: ["{count} chats imported.", "已导入 {count} 个对话。"],
  importTooLarge: [
    "The file has {size} MB; at most {limit} MB can be imported. Export single chats instead.",
    "文件大小为 {size} MB，最多可导入 {limit} MB。请单独导出各个对话。",
  ],
  importInvalid: ["The file is not an export of this page: {reason}.", "文件不是本页面的导出：{reason}。"],
  storageFailed: [
    "The browser could not store this chat ({reason}). It goes on here; export it before you close the page.",
    "浏览器无法保存此对话（{reason}）。对话可继续，请在关闭页面前导出。",
  ],
  storageMissing: [
    "This browser does not store chats here (private window?). They are lost when the page closes.",
    "此浏览器不保存对话（隐私窗口？），关闭页面后将丢失。",
  ],
  question: ["Question", "问题"],
  answer: ["Answer", "回答"],
  running: ["Running", "生成中"],
};

export const LANGUAGES = {en: "English", zh: "中文"};
let column = 0;

/** Choose "en" or "zh"; by default what the browser prefers. */
export const useLanguage = (language) => {
  const chosen = Object.hasOwn(LANGUAGES, language)
    ? language
    : navigator.language.toLowerCase().startsWith("zh")
      ? "zh"
      : "en";
  column = Object.keys(LANGUAGES).indexOf(chosen);
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
};

export const t = (name, values = {}) => TEXTS[name][column].replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
