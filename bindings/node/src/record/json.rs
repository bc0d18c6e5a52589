use std::ptr;

use napi::{
    Env, Result,
    bindgen_prelude::{Null, Object, ToNapiValue},
    check_status, sys,
};
use serde_json::{Map, Value};

/// What `JSON.parse` would make of it.
pub struct Json(pub Value);

impl From<Map<String, Value>> for Json {
    fn from(map: Map<String, Value>) -> Self {
        Self(Value::Object(map))
    }
}

impl ToNapiValue for Json {
    unsafe fn to_napi_value(env: sys::napi_env, json: Self) -> Result<sys::napi_value> {
        unsafe {
            match json.0 {
                Value::Null => Null::to_napi_value(env, Null),
                Value::Bool(flag) => bool::to_napi_value(env, flag),
                Value::Number(number) => {
                    f64::to_napi_value(env, number.as_f64().unwrap_or(f64::NAN))
                }
                Value::String(text) => String::to_napi_value(env, text),
                Value::Array(items) => {
                    let items: Vec<Self> = items.into_iter().map(Self).collect();
                    Vec::to_napi_value(env, items)
                }
                Value::Object(map) => {
                    let object = Object::to_napi_value(env, Object::new(&Env::from_raw(env))?)?;
                    for (key, value) in map {
                        // Defined, since to set `__proto__` would be something else.
                        let property = sys::napi_property_descriptor {
                            utf8name: ptr::null(),
                            name: String::to_napi_value(env, key)?,
                            method: None,
                            getter: None,
                            setter: None,
                            value: Self::to_napi_value(env, Self(value))?,
                            attributes: sys::PropertyAttributes::writable
                                | sys::PropertyAttributes::enumerable
                                | sys::PropertyAttributes::configurable,
                            data: ptr::null_mut(),
                        };
                        check_status!(sys::napi_define_properties(
                            env,
                            object,
                            1,
                            &raw const property
                        ))?;
                    }
                    Ok(object)
                }
            }
        }
    }
}
