-- Defines mark_redelivered(element) -> the element with Celery's mark of a message that comes again.
--
-- Only text is added, so that whatever else the element holds stays as it was written. What is no JSON object, or has
-- the mark, stays as it is.

local function splice_mark(text, name)
  local _, stop = string.find(text, '"' .. name .. '":%s*{')
  if not stop then
    return text
  end
  local comma = string.find(text, '^%s*}', stop + 1) and '' or ', '
  return string.sub(text, 1, stop) .. '"redelivered": true' .. comma .. string.sub(text, stop + 1)
end

local function mark_redelivered(element)
  if string.byte(element) ~= 123 or string.find(element, '"redelivered":%s*true') then
    return element
  end
  element = string.gsub(element, '"redelivered":%s*false', '"redelivered": true')
  return splice_mark(splice_mark(element, 'headers'), 'delivery_info')
end
