{{/* The image of all containers. */}}
{{- define "godwit.image" -}}
  {{- $image := .Values.image -}}
  {{- if $image.digest -}}
    {{- printf "%s@%s" $image.repository $image.digest -}}
  {{- else -}}
    {{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
  {{- end -}}
{{- end -}}

{{/* What values say of a DaemonSet: .object is changed in place; .root is what templates are given. */}}
{{- define "godwit.daemonSet" -}}
  {{- $values := .root.Values -}}
  {{- $isAgent := eq .object.metadata.name "godwit" -}}
  {{- $template := .object.spec.template -}}
  {{- $pod := $template.spec -}}
  {{- $container := first $pod.containers -}}
  {{- $_ := set $container "image" (include "godwit.image" .root) -}}
  {{- if $values.image.pullPolicy -}}
    {{- $_ := set $container "imagePullPolicy" $values.image.pullPolicy -}}
  {{- end -}}
  {{- if $values.imagePullSecrets -}}
    {{- $_ := set $pod "imagePullSecrets" $values.imagePullSecrets -}}
  {{- end -}}
  {{- if $values.logLevel -}}
    {{- $_ := set $container "args" (append $container.args (printf "--log-level=%s" $values.logLevel)) -}}
  {{- end -}}
  {{- if $values.nodeSelector -}}
    {{- $_ := set $pod "nodeSelector" (merge (dict) $values.nodeSelector $pod.nodeSelector) -}}
  {{- end -}}
  {{- if $values.tolerations -}}
    {{- $_ := set $pod "tolerations" $values.tolerations -}}
  {{- end -}}
  {{- if $values.podAnnotations -}}
    {{- $_ := set $template.metadata "annotations" (merge (dict) $values.podAnnotations (default (dict) $template.metadata.annotations)) -}}
  {{- end -}}
  {{- if $values.podLabels -}}
    {{- $_ := set $template.metadata "labels" (merge (dict) $template.metadata.labels $values.podLabels) -}}
  {{- end -}}
  {{- $resources := ternary $values.resources $values.bfd.resources $isAgent -}}
  {{- if $resources -}}
    {{- $_ := set $container "resources" $resources -}}
  {{- end -}}
  {{- if $isAgent -}}
    {{- $_ := set $container "args" (concat $container.args $values.args) -}}
    {{- $_ := set $container "env" (concat $container.env $values.env) -}}
    {{- if $values.maxUnavailable -}}
      {{- $_ := set .object.spec.updateStrategy.rollingUpdate "maxUnavailable" $values.maxUnavailable -}}
    {{- end -}}
  {{- end -}}
{{- end -}}

{{/* The namespace of the release, wherever an object names its own. What stands in `default` stays there. */}}
{{- define "godwit.namespace" -}}
  {{- $namespace := .root.Release.Namespace -}}
  {{- if eq .object.kind "Namespace" -}}
    {{- $_ := set .object.metadata "name" $namespace -}}
  {{- else if eq (default "" .object.metadata.namespace) "godwit" -}}
    {{- $_ := set .object.metadata "namespace" $namespace -}}
  {{- end -}}
  {{- range .object.subjects -}}
    {{- $_ := set . "namespace" $namespace -}}
  {{- end -}}
{{- end -}}
