{{/*
  One operation of a JSON patch (RFC 6902), as far as components/ goes: `add` and `replace` at a field, `add` at the end of a
  list, `test`. Changes .object in place.
*/}}
{{- define "godwit.patch" -}}
  {{- $operation := .operation -}}
  {{- $steps := splitList "/" (trimPrefix "/" $operation.path) -}}
  {{- $atEnd := eq (last $steps) "-" -}}
  {{- if $atEnd -}}
    {{- $steps = initial $steps -}}
  {{- end -}}
  {{- $at := .object -}}
  {{- range initial $steps -}}
    {{- $at = index $at (ternary (atoi .) . (kindIs "slice" $at)) -}}
  {{- end -}}
  {{- $last := last $steps -}}
  {{- if eq $operation.op "test" -}}
    {{- $found := index $at (ternary (atoi $last) $last (kindIs "slice" $at)) | toJson -}}
    {{- if ne $found (toJson $operation.value) -}}
      {{- fail (printf "%s is %s, not %s" $operation.path $found (toJson $operation.value)) -}}
    {{- end -}}
  {{- else if not (has $operation.op (list "add" "replace")) -}}
    {{- fail (printf "%s: this chart cannot %s" $operation.path $operation.op) -}}
  {{- else if $atEnd -}}
    {{- $_ := set $at $last (append (index $at $last) $operation.value) -}}
  {{- else -}}
    {{- $_ := set $at $last $operation.value -}}
  {{- end -}}
{{- end -}}
