-- What a script of Argo CD's may use, and how it is stopped. Run once for each runtime; returns `compile` and `run`.
--
-- A script gets an environment of its own each time, made of copies, so that none can leave anything behind for the
-- next. What is not copied does not exist for it: io, os.execute, load, debug, getfenv, coroutines (a hook does not
-- reach into them), xpcall (its handler runs without hooks), string.dump and string.rep.

local INSTRUCTIONS, SECONDS, WAYS, slow_find, slow_match, slow_gmatch, slow_gsub = ...

local error, pcall, select, setfenv, type, next, tostring = error, pcall, select, setfenv, type, next, tostring
local loadstring, sethook, clock = loadstring, debug.sethook, os.clock
local find, gsub, gmatch, match, len = string.find, string.gsub, string.gmatch, string.match, string.len
local format, tonumber = string.format, tonumber

jit.off()
jit.flush()

local spent = false

local function copy(from, names)
  local made = {}
  for name in gmatch(names, "%a+") do made[name] = from[name] end
  return made
end

-- Patterns are matched in C, where no instruction is counted, and backtrack: k repetitions on n characters have as many
-- ways as k of n + k can be chosen, once more for each place to begin at. Where that is much, they are matched in Lua.
local function harmless(subject, pattern)
  if type(subject) ~= "string" or type(pattern) ~= "string" then return true end -- C says what is wrong
  local bare = gsub(gsub(pattern, "%%.", ""), "%[%^?%]?[^%]]*%]", "")
  local _, repetitions = gsub(bare, "[%*%+%-%?]", "")
  local n = len(subject)
  local ways = find(bare, "^^") and 1 or n + 1
  for chosen = 1, repetitions do ways = ways * (n + chosen) / chosen end
  return ways < WAYS
end

local safe = copy(string, "byte char format len lower reverse sub upper")
safe.find = function(s, pattern, from, plain)
  if plain or harmless(s, pattern) then return find(s, pattern, from, plain) end
  return slow_find(s, pattern, from)
end
safe.match = function(s, pattern, from) return (harmless(s, pattern) and match or slow_match)(s, pattern, from) end
safe.gmatch = function(s, pattern) return (harmless(s, pattern) and gmatch or slow_gmatch)(s, pattern) end
safe.gsub = function(s, pattern, with, most)
  return (harmless(s, pattern) and gsub or slow_gsub)(s, pattern, with, most)
end

local meta = getmetatable("")
meta.__index = safe
meta.__metatable = false

local base = copy(_G, "assert error ipairs next pairs rawequal rawget rawset select tonumber tostring type unpack")
local libraries = {
  table = copy(table, "concat insert maxn remove sort"),
  math = copy(math, "abs ceil floor fmod huge max min modf pi pow sqrt"),
  os = copy(os, "time date"),
}
libraries.table.getn = function(t) return #t end

-- As gopher-lua has it: what is missing, or no number, is -1, and noon.
local now = libraries.os.time
libraries.os.time = function(at)
  if at == nil then return now() end
  local made = { hour = 12, min = 0, sec = 0, day = -1, month = -1, year = -1 }
  for key, otherwise in next, made do made[key] = tonumber(at[key]) or otherwise end
  return now(made)
end

-- As gopher-lua has it: a whole number with all its digits, another with as many as it takes to read it again.
base.tostring = function(...)
  local value = ...
  if type(value) ~= "number" or value ~= value or value == math.huge or value == -math.huge then return tostring(...) end
  if value % 1 == 0 and value >= -2 ^ 63 and value < 2 ^ 63 then return format("%d", value) end
  for digits = 14, 16 do
    local shown = format("%." .. digits .. "g", value)
    if tonumber(shown) == value then return shown end
  end
  return format("%.17g", value)
end
local lua_getmetatable, lua_setmetatable = getmetatable, setmetatable

local function rethrown(ok, ...)
  if spent then error(spent, 0) end
  return ok, ...
end

local function fresh()
  local env = {}
  for name, value in next, base do env[name] = value end
  for name, library in next, libraries do
    local made = {}
    for key, value in next, library do made[key] = value end
    env[name] = made
  end
  env.string = {}
  for name, value in next, safe do env.string[name] = value end
  env.pcall = function(...) return rethrown(pcall(...)) end
  env.getmetatable = function(value)
    return type(value) == "table" and lua_getmetatable(value) or nil
  end
  -- A finalizer would run without the hook; LuaJIT calls none on tables.
  env.setmetatable = function(value, with)
    if type(value) ~= "table" then error("setmetatable takes a table", 2) end
    return lua_setmetatable(value, with)
  end
  env.require = function(name)
    local found = env[name]
    if libraries[name] == nil and name ~= "string" then error("module " .. tostring(name) .. " is not available", 2) end
    return found
  end
  env.print = function() end
  env._G = env
  return env
end

local function compile(source, name)
  -- Byte code could do anything at all.
  if source:byte(1) == 27 then return nil, "byte code" end
  return loadstring(source, name)
end

-- Argo CD takes the last of the values that a script returns.
local function last(ok, ...)
  return ok, (select(select("#", ...) == 0 and 1 or -1, ...))
end

local function run(script, obj, parameters)
  local env = fresh()
  env.obj, env.actionParams = obj, parameters
  setfenv(script, env)
  spent = false
  local left, deadline = INSTRUCTIONS, clock() + SECONDS
  sethook(function()
    left = left - 1000
    if left <= 0 then
      spent = "it ran for more than " .. INSTRUCTIONS .. " instructions"
    elseif clock() > deadline then
      -- Few instructions can take long where each makes C walk over megabytes.
      spent = "it ran for more than " .. SECONDS .. " s"
    end
    if spent then error(spent, 0) end
  end, "", 1000)
  local ok, result = last(pcall(script))
  sethook()
  if spent then return false, spent end
  return ok, result
end

-- For health: what a script returned, as plain values. A table of other fields than health has comes as a whole.
local function judge(script, obj)
  local ok, result = run(script, obj)
  if not ok then return "error", tostring(result) end
  local kind = type(result)
  if kind ~= "table" then return kind end
  if next(result) == nil then return "empty" end
  for key, value in next, result do
    if type(value) ~= "string" or (key ~= "status" and key ~= "message" and key ~= "deletionMessage") then
      return "other", result
    end
  end
  return "table", rawget(result, "status"), rawget(result, "message"), rawget(result, "deletionMessage")
end

for name in next, copy(_G, "io os debug package require load loadstring loadfile dofile module getfenv setfenv jit ffi") do
  _G[name] = nil
end

return compile, run, judge
