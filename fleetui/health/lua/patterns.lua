-- Lua 5.1's patterns, matched in Lua (lstrlib.c, do_match), where each step is counted and can be stopped.
--
-- For patterns that might backtrack for long: in C nothing could stop them. Returns find, match, gmatch and gsub.

local byte, sub, len = string.byte, string.sub, string.len
local plain_find, format = string.find, string.format
local concat = table.concat
local error, type, tostring = error, type, tostring

local ESCAPE, OPEN, CLOSE, ANY, SET, END = 37, 40, 41, 46, 91, 36 -- % ( ) . [ $
local STAR, PLUS, MINUS, OPTION, NEGATED, SET_END = 42, 43, 45, 63, 94, 93
local POSITION, UNFINISHED = -2, -1
local MOST_CAPTURES = 32

local function class_end(pattern, at)
  local char = byte(pattern, at)
  at = at + 1
  if char == ESCAPE then
    if at > len(pattern) then error("malformed pattern (ends with '%')", 0) end
    return at + 1
  end
  if char ~= SET then return at end
  if byte(pattern, at) == NEGATED then at = at + 1 end
  repeat
    if at > len(pattern) then error("malformed pattern (missing ']')", 0) end
    local inner = byte(pattern, at)
    at = at + 1
    if inner == ESCAPE then at = at + 1 end
  until byte(pattern, at) == SET_END
  return at + 1
end

-- One character against one %-class, a single question to C; what is no class stands for itself.
local function is_of_class(char, class)
  if not plain_find("acdlpsuwxzACDLPSUWXZ", class, 1, true) then return char == class end
  return plain_find(char, "^%" .. class) ~= nil
end

local function is_in_set(char, pattern, at, last)
  local wanted = true
  if byte(pattern, at + 1) == NEGATED then wanted, at = false, at + 1 end
  local code = byte(char)
  at = at + 1
  while at < last do
    if byte(pattern, at) == ESCAPE then
      if is_of_class(char, sub(pattern, at + 1, at + 1)) then return wanted end
      at = at + 2
    elseif byte(pattern, at + 1) == MINUS and at + 2 < last then
      if byte(pattern, at) <= code and code <= byte(pattern, at + 2) then return wanted end
      at = at + 3
    else
      if byte(pattern, at) == code then return wanted end
      at = at + 1
    end
  end
  return not wanted
end

local function is_single(state, at, item, stop)
  if at > len(state.subject) then return false end
  local char, kind = sub(state.subject, at, at), byte(state.pattern, item)
  if kind == ANY then return true end
  if kind == ESCAPE then return is_of_class(char, sub(state.pattern, item + 1, item + 1)) end
  if kind == SET then return is_in_set(char, state.pattern, item, stop - 1) end
  return kind == byte(char)
end

local do_match

local function balance(state, at, item)
  if item + 1 > len(state.pattern) then error("unbalanced pattern", 0) end
  local open, close = byte(state.pattern, item, item + 1)
  if byte(state.subject, at) ~= open then return nil end
  local depth = 1
  for here = at + 1, len(state.subject) do
    local char = byte(state.subject, here)
    if char == close then
      depth = depth - 1
      if depth == 0 then return here + 1 end
    elseif char == open then
      depth = depth + 1
    end
  end
end

local function most(state, at, item, stop)
  local count = 0
  while is_single(state, at + count, item, stop) do count = count + 1 end
  for taken = count, 0, -1 do
    local found = do_match(state, at + taken, stop + 1)
    if found then return found end
  end
end

local function least(state, at, item, stop)
  while true do
    local found = do_match(state, at, stop + 1)
    if found then return found end
    if not is_single(state, at, item, stop) then return nil end
    at = at + 1
  end
end

local function capture(state, at, item, length)
  local level = #state.captures + 1
  if level > MOST_CAPTURES then error("too many captures", 0) end
  state.captures[level] = { start = at, length = length }
  local found = do_match(state, at, item)
  if not found then state.captures[level] = nil end
  return found
end

local function end_capture(state, at, item)
  for level = #state.captures, 1, -1 do
    local open = state.captures[level]
    if open.length == UNFINISHED then
      open.length = at - open.start
      local found = do_match(state, at, item)
      if not found then open.length = UNFINISHED end
      return found
    end
  end
  error("invalid pattern capture", 0)
end

local function again(state, at, digit)
  local earlier = state.captures[digit - 48]
  if digit < 49 or not earlier or earlier.length == UNFINISHED then error("invalid capture index", 0) end
  if earlier.length == POSITION then return nil end
  local text = sub(state.subject, earlier.start, earlier.start + earlier.length - 1)
  if sub(state.subject, at, at + len(text) - 1) == text then return at + len(text) end
end

local function frontier(state, at, item)
  if byte(state.pattern, item) ~= SET then error("missing '[' after '%f' in pattern", 0) end
  local stop = class_end(state.pattern, item)
  local before = at == 1 and "\0" or sub(state.subject, at - 1, at - 1)
  local here = at > len(state.subject) and "\0" or sub(state.subject, at, at)
  if is_in_set(before, state.pattern, item, stop - 1) or not is_in_set(here, state.pattern, item, stop - 1) then
    return nil
  end
  return do_match(state, at, stop)
end

do_match = function(state, at, item)
  while true do
    if item > len(state.pattern) then return at end
    local kind, following = byte(state.pattern, item, item + 1)
    if kind == OPEN then
      if following == CLOSE then return capture(state, at, item + 2, POSITION) end
      return capture(state, at, item + 1, UNFINISHED)
    elseif kind == CLOSE then
      return end_capture(state, at, item + 1)
    elseif kind == END and item == len(state.pattern) then
      return at == len(state.subject) + 1 and at or nil
    elseif kind == ESCAPE and following == 98 then -- %b
      at = balance(state, at, item + 2)
      if not at then return nil end
      item = item + 4
    elseif kind == ESCAPE and following == 102 then -- %f
      return frontier(state, at, item + 2)
    elseif kind == ESCAPE and following and following >= 48 and following <= 57 then
      at = again(state, at, following)
      if not at then return nil end
      item = item + 2
    else
      local stop = class_end(state.pattern, item)
      local repetition = byte(state.pattern, stop)
      if repetition == STAR then return most(state, at, item, stop) end
      if repetition == MINUS then return least(state, at, item, stop) end
      local fits = is_single(state, at, item, stop)
      if repetition == PLUS then return fits and most(state, at + 1, item, stop) or nil end
      if repetition == OPTION then
        if fits then
          local found = do_match(state, at + 1, stop + 1)
          if found then return found end
        end
        item = stop + 1
      else
        if not fits then return nil end
        at, item = at + 1, stop
      end
    end
  end
end

local function value_of(state, level, from, to)
  local found = state.captures[level]
  if not found then
    if level == 1 then return sub(state.subject, from, to - 1) end
    error("invalid capture index", 0)
  end
  if found.length == POSITION then return found.start end
  if found.length == UNFINISHED then error("unfinished capture", 0) end
  return sub(state.subject, found.start, found.start + found.length - 1)
end

local function values(state, from, to, level, count)
  if level > count then return end
  return value_of(state, level, from, to), values(state, from, to, level + 1, count)
end

-- Where the pattern first fits from `at` on: the state, the beginning, one past the end.
local function search(subject, pattern, at)
  local anchored = byte(pattern, 1) == NEGATED
  local state = { subject = subject, pattern = pattern }
  repeat
    state.captures = {}
    local stop = do_match(state, at, anchored and 2 or 1)
    if stop then return state, at, stop end
    at = at + 1
  until anchored or at > len(subject) + 1
end

local function start_of(subject, from)
  from = from or 1
  if from < 0 then from = len(subject) + from + 1 end
  if from < 1 then return 1 end
  return from > len(subject) and len(subject) + 1 or from
end

local function find(subject, pattern, from)
  from = start_of(subject, from)
  if not plain_find(pattern, "[%^%$%*%+%?%.%(%[%%%-]") then return plain_find(subject, pattern, from, true) end
  local state, at, stop = search(subject, pattern, from)
  if not state then return nil end
  return at, stop - 1, values(state, at, stop, 1, #state.captures)
end

local function match(subject, pattern, from)
  from = start_of(subject, from)
  local state, at, stop = search(subject, pattern, from)
  if not state then return nil end
  return values(state, at, stop, 1, #state.captures > 0 and #state.captures or 1)
end

local function gmatch(subject, pattern)
  local from = 1
  return function()
    if from > len(subject) + 1 then return nil end
    local state = { subject = subject, pattern = pattern }
    for at = from, len(subject) + 1 do
      state.captures = {}
      local stop = do_match(state, at, 1)
      if stop then
        from = stop == at and stop + 1 or stop
        return values(state, at, stop, 1, #state.captures > 0 and #state.captures or 1)
      end
    end
    from = len(subject) + 2
  end
end

local function replacement(with, state, at, stop)
  local kind = type(with)
  if kind == "string" or kind == "number" then
    local made, here = {}, 1
    with = tostring(with)
    while here <= len(with) do
      local char = sub(with, here, here)
      if char == "%" then
        here = here + 1
        local digit = byte(with, here)
        if digit == 48 then
          char = sub(state.subject, at, stop - 1)
        elseif digit and digit > 48 and digit <= 57 then
          char = tostring(value_of(state, digit - 48, at, stop))
        else
          char = sub(with, here, here)
        end
      end
      made[#made + 1] = char
      here = here + 1
    end
    return concat(made)
  end
  local found
  if kind == "table" then
    found = with[value_of(state, 1, at, stop)]
  else
    found = with(values(state, at, stop, 1, #state.captures > 0 and #state.captures or 1))
  end
  if not found then return sub(state.subject, at, stop - 1) end
  if type(found) ~= "string" and type(found) ~= "number" then
    error(format("invalid replacement value (a %s)", type(found)), 0)
  end
  return tostring(found)
end

local function gsub(subject, pattern, with, limit)
  local anchored = byte(pattern, 1) == NEGATED
  local made, at, count = {}, 1, 0
  while not limit or count < limit do
    local state = { subject = subject, pattern = pattern, captures = {} }
    local stop = do_match(state, at, anchored and 2 or 1)
    if stop then
      count = count + 1
      made[#made + 1] = replacement(with, state, at, stop)
    end
    if stop and stop > at then
      at = stop
    elseif at <= len(subject) then
      made[#made + 1] = sub(subject, at, at)
      at = at + 1
    else
      break
    end
    if anchored then break end
  end
  made[#made + 1] = sub(subject, at)
  return concat(made), count
end

return find, match, gmatch, gsub
